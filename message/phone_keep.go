package message

import _ "github.com/nyaruka/phonenumbers" // until phone.go uses it
