package message

import "github.com/nyaruka/phonenumbers"

// KnownRegion tells whether there is a country whose numbers are known by this code
// (ISO 3166-1, two letters, upper case).
func KnownRegion(region string) bool { return phonenumbers.GetCountryCodeForRegion(region) != 0 }
