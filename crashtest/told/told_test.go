package told

import (
	"strings"
	"testing"
	"time"
)

var (
	owner = Owner{"u", "s"}
	key   = Key{"u", "s", "m"}
	at    = time.Date(2026, 1, 2, 3, 4, 5, 250_000_000, time.UTC)
)

// world is a book with an acknowledged message that was sent and delivered, one
// event that was told only, one nameless failure of each kind, and the ledger that
// is right for it. Each case spoils the ledger in one way.
func world() (*Book, *Ledger) {
	b := NewBook()
	sent, delivered := Event{key, Sent, at}, Event{key, Delivered, at.Add(time.Second)}
	b.Told(sent, delivered, Event{key, Read, at.Add(time.Minute)})
	b.Acknowledged(sent, delivered)
	b.FailureTold(owner)
	b.FailureTold(owner)
	b.FailureAcknowledged(owner)
	sums := map[Owner]Counts{owner: {Sent: 1, Delivered: 1, Failed: 1}}
	return b, &Ledger{
		Rows: []Row{
			{key, map[string]time.Time{Sent: at, Delivered: at.Add(time.Second)}, at, Sent},
			{Key{"u", "s", "gw_1"}, map[string]time.Time{Failed: at}, at, Failed},
		},
		Totals:  sums,
		Rollups: map[Owner]Counts{owner: sums[owner]},
	}
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		spoil       func(l *Ledger)
		lost, wrong string // part of the report; empty: nothing of that kind
	}{
		"as it was told": {func(*Ledger) {}, "", ""},
		"an event that nobody acknowledged is there": {func(l *Ledger) {
			l.Rows[0].Times[Read] = at.Add(time.Minute)
			l.Totals = map[Owner]Counts{owner: {Sent: 1, Delivered: 1, Read: 1, Failed: 1}}
			l.Rollups = l.Totals
		}, "", ""},
		"a failure that nobody acknowledged is there": {func(l *Ledger) {
			l.Rows = append(l.Rows, Row{Key{"u", "s", "gw_2"}, map[string]time.Time{Failed: at}, at, Failed})
			l.Totals = map[Owner]Counts{owner: {Sent: 1, Delivered: 1, Failed: 2}}
			l.Rollups = l.Totals
		}, "", ""},
		"an event is lost": {func(l *Ledger) {
			delete(l.Rows[0].Times, Delivered)
			l.Totals = map[Owner]Counts{owner: {Sent: 1, Failed: 1}}
			l.Rollups = l.Totals
		}, "{u s m}: delivered", ""},
		"a message is lost": {func(l *Ledger) {
			l.Rows = l.Rows[1:]
			l.Totals = map[Owner]Counts{owner: {Failed: 1}}
			l.Rollups = l.Totals
		}, "{u s m}: sent (no row)", ""},
		"a failure is lost": {func(l *Ledger) {
			l.Rows = l.Rows[:1]
			l.Totals = map[Owner]Counts{owner: {Sent: 1, Delivered: 1}}
			l.Rollups = l.Totals
		}, "{u s}: 1 failures of 1", ""},
		"too many failures": {func(l *Ledger) {
			for _, id := range []string{"gw_2", "gw_3"} {
				l.Rows = append(l.Rows, Row{Key{"u", "s", id}, map[string]time.Time{Failed: at}, at, Failed})
			}
			l.Totals = map[Owner]Counts{owner: {Sent: 1, Delivered: 1, Failed: 3}}
			l.Rollups = l.Totals
		}, "", "3 failures, but only 2 messages failed"},
		"a message is counted twice": {func(l *Ledger) {
			l.Totals = map[Owner]Counts{owner: {Sent: 2, Delivered: 1, Failed: 1}}
		}, "", "the counters of {u s}"},
		"a message is twice in the rollups": {func(l *Ledger) {
			l.Rollups = map[Owner]Counts{owner: {Sent: 2, Delivered: 1, Failed: 1}}
		}, "", "the rollups of {u s}"},
		"a message has two rows": {func(l *Ledger) {
			l.Rows = append(l.Rows, l.Rows[0])
			l.Totals = map[Owner]Counts{owner: {Sent: 2, Delivered: 2, Failed: 1}}
			l.Rollups = l.Totals
		}, "", "has two rows"},
		"something that nobody told": {func(l *Ledger) {
			l.Rows[0].Times[Failed] = at.Add(-time.Second)
		}, "", "is failed, which nobody told"},
		"another time": {func(l *Ledger) {
			l.Rows[0].Times[Sent] = at.Add(time.Microsecond)
		}, "", "is sent at"},
		"another beginning": {func(l *Ledger) {
			l.Rows[0].First = at.Add(-time.Second)
		}, "", "began at"},
		"the wrong side": {func(l *Ledger) {
			l.Rows[0].Counted = Failed
		}, "", `counts as "failed", not as "sent"`},
		"counters without a message": {func(l *Ledger) {
			l.Totals = map[Owner]Counts{owner: l.Totals[owner], {"u", "other"}: {Sent: 1}}
		}, "", "without any message"},
	} {
		t.Run(name, func(t *testing.T) {
			b, l := world()
			c.spoil(l)
			r := b.Compare(l, nil)
			holds(t, "lost", r.Lost, c.lost)
			holds(t, "wrong", r.Wrong, c.wrong)
			if r.OK() != (c.lost == "" && c.wrong == "") || r.OK() != (r.String() == "") {
				t.Errorf("the report is %v: %q", r.OK(), r)
			}
		})
	}
}

func holds(t *testing.T, kind string, problems []string, want string) {
	t.Helper()
	if got := strings.Join(problems, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: %q, not %q", kind, got, want)
	}
}

// A message counts when all of it is later than the reset. While a reset is on its
// way both may be.
func TestCompareReset(t *testing.T) {
	for name, c := range map[string]struct {
		reset   time.Duration // it is asked for so long after the message
		took    time.Duration
		counted string
		ok      bool
	}{
		"before":                             {-time.Second, 0, Sent, true},
		"before, and it does not count":      {-time.Second, 0, "", false},
		"at that moment":                     {0, 0, "", true},
		"at that moment, and it counts":      {0, 0, Sent, false},
		"after":                              {time.Hour, 0, "", true},
		"after, and it counts":               {time.Hour, 0, Sent, false},
		"meanwhile":                          {-time.Second, time.Minute, Sent, true},
		"meanwhile, and it does not count":   {-time.Second, time.Minute, "", true},
		"after, and it takes its time":       {time.Hour, time.Hour, "", true},
		"meanwhile, and on the wrong side":   {-time.Second, time.Minute, Failed, false},
		"long before, and on the wrong side": {-time.Hour, time.Minute, Failed, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBook()
			b.Acknowledged(Event{key, Sent, at})
			l := &Ledger{Rows: []Row{{key, map[string]time.Time{Sent: at}, at, c.counted}}}
			if c.counted != "" {
				l.Totals = map[Owner]Counts{owner: {Sent: 1}}
				l.Rollups = l.Totals
			}
			r := b.Compare(l, func(Owner) (time.Time, time.Time) { return at.Add(c.reset), at.Add(c.reset + c.took) })
			if r.OK() != c.ok {
				t.Errorf("the report is %v: %s", r.OK(), r)
			}
		})
	}
}

// A whole second may be any moment until its end, so that is when a message began of
// which nothing finer is known.
func TestCompareWholeSeconds(t *testing.T) {
	second := at.Truncate(time.Second)
	end := second.Add(time.Second - time.Microsecond)
	for name, c := range map[string]struct {
		first time.Time
		more  map[string]time.Time
		ok    bool
	}{
		"the end of the second":       {end, nil, true},
		"its beginning":               {second, nil, false},
		"a time in it that is known":  {at, map[string]time.Time{Delivered: at}, true},
		"not the time that was known": {end, map[string]time.Time{Delivered: at}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBook()
			times := map[string]time.Time{Sent: second}
			b.Told(Event{key, Sent, second})
			sum := Counts{Sent: 1}
			for status, at := range c.more {
				b.Told(Event{key, status, at})
				times[status], sum.Delivered = at, 1
			}
			sums := map[Owner]Counts{owner: sum}
			r := b.Compare(&Ledger{Rows: []Row{{key, times, c.first, Sent}}, Totals: sums, Rollups: sums}, nil)
			if r.OK() != c.ok {
				t.Errorf("the report is %v: %s", r.OK(), r)
			}
		})
	}
}

// Every set of statuses counts as the contract says.
func TestCount(t *testing.T) {
	for name, c := range map[string]struct {
		times map[string]time.Time
		want  Counts
	}{
		"sent":                     {map[string]time.Time{Sent: at}, Counts{Sent: 1}},
		"delivered":                {map[string]time.Time{Delivered: at}, Counts{Sent: 1, Delivered: 1}},
		"read":                     {map[string]time.Time{Read: at}, Counts{Sent: 1, Delivered: 1, Read: 1}},
		"failed":                   {map[string]time.Time{Failed: at}, Counts{Failed: 1}},
		"sent, then failed":        {map[string]time.Time{Sent: at, Failed: at.Add(1)}, Counts{Failed: 1}},
		"at the same time":         {map[string]time.Time{Sent: at, Failed: at}, Counts{Failed: 1}},
		"failed, then sent":        {map[string]time.Time{Failed: at, Sent: at.Add(1)}, Counts{Sent: 1}},
		"failed, but delivered":    {map[string]time.Time{Failed: at, Delivered: at}, Counts{Sent: 1, Delivered: 1}},
		"failed, but read earlier": {map[string]time.Time{Failed: at, Read: at.Add(-1)}, Counts{Sent: 1, Delivered: 1, Read: 1}},
	} {
		if got := count(c.times); got != c.want {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
	}
}

// What is acknowledged again is known already.
func TestSize(t *testing.T) {
	b := NewBook()
	e := Event{key, Sent, at}
	b.Told(e, e)
	b.Acknowledged(e, e)
	b.Told(Event{key, Read, at})
	b.FailureTold(owner)
	if told, acknowledged := b.Size(); told != 3 || acknowledged != 1 {
		t.Errorf("%d told, %d acknowledged", told, acknowledged)
	}
}
