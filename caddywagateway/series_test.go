package caddywagateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestSeries: statistics by the hour and by the day of any time zone, as the user,
// the admin and a stranger see them.
func TestSeries(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d)
		// 23:40 and 00:10 in Jakarta, which is 16:40 and 17:10 UTC of one day.
		day := time.Now().UTC().AddDate(0, 0, -3).Truncate(24 * time.Hour)
		early, late := day.Add(16*time.Hour+40*time.Minute), day.Add(17*time.Hour+10*time.Minute)
		events := []string{
			eventOf(alice, aliceSession, "s1", "sent", early, "type", `"text"`),
			eventOf(alice, aliceSession, "s1", "read", late, "type", `"text"`),
			eventOf(alice, aliceOther, "s2", "sent", late, "type", `"image"`),
			eventOf(alice, aliceSession, "s3", "failed", late),
			eventOf(bob, bobSession, "s4", "sent", late),
		}
		res := s.call("POST", "/events/message/batch", "["+strings.Join(events, ",")+"]", nil)
		res.wantAnswer(t, http.StatusOK, "Batch recorded")
		if res.at("data", "recorded") != 5.0 {
			t.Fatal(res.text)
		}

		local := func(day time.Time) string { return day.Format(time.DateOnly) }
		ask := func(path string, query url.Values, header []string) response {
			return s.call("GET", path+"?"+query.Encode(), "", header)
		}
		days := url.Values{"from": {local(day)}, "to": {local(day.AddDate(0, 0, 1))}, "interval": {"day"}, "tz": {"Asia/Jakarta"}}
		for _, path := range []string{"/events/stats/user/" + alice, "/events/admin/stats/user/" + alice, "/api/wa/stats/" + alice} {
			header := adminHeader
			res := ask(path, days, header)
			res.wantAnswer(t, http.StatusOK, "OK")
			buckets, _ := res.at("data", "buckets").([]any)
			if len(buckets) != 2 {
				t.Fatalf("%s: %s", path, res.text)
			}
			wantBucket(t, buckets[0], local(day)+"T00:00:00+07:00", 1, 0, 1, 1)
			wantBucket(t, buckets[1], local(day.AddDate(0, 0, 1))+"T00:00:00+07:00", 1, 1, 0, 0)
			if got := totalsOf(res.at("data")); got != [4]float64{2, 1, 1, 1} {
				t.Errorf("in all %v: %s", got, res.text)
			}
			types, _ := res.at("data", "types").(map[string]any)
			if len(types) != 3 || totalsOf(types["image"]) != [4]float64{1, 0, 0, 0} || totalsOf(types["unknown"]) != [4]float64{0, 1, 0, 0} {
				t.Errorf("types: %v", types)
			}
		}

		hours := url.Values{"from": {early.Format(time.RFC3339)}, "to": {late.Format(time.RFC3339)}, "interval": {"hour"}}
		res = ask("/events/stats/session/"+alice+"/"+aliceSession, hours, as(alice, aliceSession))
		res.wantAnswer(t, http.StatusOK, "OK")
		buckets, _ := res.at("data", "buckets").([]any)
		if len(buckets) != 2 || res.at("data", "session_id") != aliceSession || res.at("data", "tz") != "UTC" {
			t.Fatal(res.text)
		}
		wantBucket(t, buckets[0], early.Truncate(time.Hour).Format(time.RFC3339), 1, 0, 1, 1)
		wantBucket(t, buckets[1], late.Truncate(time.Hour).Format(time.RFC3339), 0, 1, 0, 0)

		ask("/events/stats/user/"+alice, hours, as(bob, bobSession)).wantAnswer(t, http.StatusForbidden, "")
		ask("/events/stats/user/nobody", hours, adminHeader).wantAnswer(t, http.StatusNotFound, "")
		for name, wrong := range map[string]url.Values{
			"interval": {"interval": {"week"}},
			"tz":       {"tz": {"Mars/Olympus"}},
			"from":     {"from": {"yesterday"}},
			"to":       {"to": {"2026-13-01"}},
		} {
			res := ask("/events/stats/user/"+alice, wrong, adminHeader)
			res.wantAnswer(t, http.StatusBadRequest, "")
			if res.at("data", "field") != name {
				t.Errorf("%v: %s", wrong, res.text)
			}
		}
		for _, wrong := range []url.Values{
			{"tz": {"Local"}}, {"tz": {"../../etc/passwd"}}, {"from": {"2026-02-01"}, "to": {"2026-01-01"}},
			{"from": {"1980-01-01"}, "interval": {"hour"}}, {"from": {"2026-01-01", "2026-01-02"}}, {"from": {"0001-01-01"}},
		} {
			ask("/events/stats/user/"+alice, wrong, adminHeader).wantAnswer(t, http.StatusBadRequest, "")
		}
	})
}

func wantBucket(t *testing.T, bucket any, start string, sent, failed, delivered, read float64) {
	t.Helper()
	if got, _ := bucket.(map[string]any)["start"].(string); got != start {
		t.Errorf("a bucket begins at %s, want %s", got, start)
	}
	if got := totalsOf(bucket); got != [4]float64{sent, failed, delivered, read} {
		t.Errorf("the bucket of %s holds %v", start, got)
	}
}
