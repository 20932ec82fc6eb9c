package signature

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The test vector that the libraries of the specification share.
const (
	specSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	specID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	specTime      = 1614265330
	specBody      = `{"test": 2432232314}`
	specSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	foreign       = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
)

var specNow = time.Unix(specTime, 0)

func fixed(t time.Time) func() time.Time { return func() time.Time { return t } }

func verifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	if o.Now == nil {
		o.Now = fixed(specNow)
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signed(t testing.TB, secret, id string, at time.Time, body string) http.Header {
	t.Helper()
	h, err := Sign(secret, id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func spec() http.Header {
	h := http.Header{}
	h.Set("webhook-id", specID)
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", specSignature)
	return h
}

func with(h http.Header, name string, values ...string) http.Header {
	h = maps.Clone(h)
	if len(values) == 0 {
		h.Del(name)
	} else {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

func TestSpecVector(t *testing.T) {
	if got := signed(t, specSecret, specID, specNow, specBody).Get("webhook-signature"); got != specSignature {
		t.Errorf("signed %s, want %s", got, specSignature)
	}
	v := verifier(t, Options{Secrets: []string{specSecret}})
	if _, err := v.Check(spec(), []byte(specBody)); err != nil {
		t.Error(err)
	}
	if _, err := v.Check(spec(), []byte(specBody+" ")); !errors.Is(err, ErrMismatch) {
		t.Errorf("another body: %v", err)
	}
}

func TestHeaders(t *testing.T) {
	many := func(n int, last string) string { return strings.Repeat(foreign+" ", n) + last }
	for name, test := range map[string]struct {
		header http.Header
		want   error
	}{
		"as the specification has it":   {spec(), nil},
		"no header":                     {http.Header{}, ErrMissing},
		"only an id":                    {http.Header{"Webhook-Id": {"a"}}, ErrMissing},
		"no id":                         {with(spec(), "webhook-id"), ErrMismatch},
		"no timestamp":                  {with(spec(), "webhook-timestamp"), ErrMismatch},
		"no signature":                  {with(spec(), "webhook-signature"), ErrMissing},
		"an empty id":                   {with(spec(), "webhook-id", ""), ErrMismatch},
		"an empty timestamp":            {with(spec(), "webhook-timestamp", ""), ErrMismatch},
		"an empty signature":            {with(spec(), "webhook-signature", ""), ErrMismatch},
		"a version without a signature": {with(spec(), "webhook-signature", "v1,"), ErrMismatch},
		"blanks":                        {with(spec(), "webhook-signature", "    "), ErrMismatch},
		"a signature alone":             {with(spec(), "webhook-signature", specSignature[3:]), ErrMismatch},
		"the other version":             {with(spec(), "webhook-signature", "v1a"+specSignature[2:]), ErrMismatch},
		"a capital version":             {with(spec(), "webhook-signature", "V1"+specSignature[2:]), ErrMismatch},
		"commas between":                {with(spec(), "webhook-signature", foreign+","+specSignature), ErrMismatch},
		"two ids":                       {with(spec(), "webhook-id", specID, specID), ErrMismatch},
		"two timestamps":                {with(spec(), "webhook-timestamp", "1614265330", "1614265330"), ErrMismatch},
		"two signature headers":         {with(spec(), "webhook-signature", foreign, specSignature), ErrMismatch},
		"another id":                    {with(spec(), "webhook-id", "msg_other"), ErrMismatch},
		"another time":                  {with(spec(), "webhook-timestamp", "1614265331"), ErrMismatch},
		"somebody else's signature":     {with(spec(), "webhook-signature", foreign), ErrMismatch},
		"one among others":              {with(spec(), "webhook-signature", "v2,x "+foreign+" "+specSignature+" "+foreign), nil},
		"beside an Ed25519 one":         {with(spec(), "webhook-signature", specSignature+" v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="), nil},
		"the same twice":                {with(spec(), "webhook-signature", specSignature+"  "+specSignature), nil},
		"the eighth":                    {with(spec(), "webhook-signature", many(7, specSignature)), nil},
		"the ninth":                     {with(spec(), "webhook-signature", many(8, specSignature)), ErrMismatch},
		"huge":                          {with(spec(), "webhook-signature", specSignature+" "+strings.Repeat("x", 1<<20)), ErrMismatch},
		"a huge id":                     {with(spec(), "webhook-id", strings.Repeat("a", 1<<20)), ErrMismatch},
		"a huge timestamp":              {with(spec(), "webhook-timestamp", strings.Repeat("1", 1<<20)), ErrMismatch},
		"unpadded":                      {with(spec(), "webhook-signature", strings.TrimSuffix(specSignature, "=")), ErrMismatch},
		"another spelling of the bits":  {with(spec(), "webhook-signature", strings.TrimSuffix(specSignature, "E=")+"F="), ErrMismatch},
		"a line break in it":            {with(spec(), "webhook-signature", specSignature[:10]+"\n"+specSignature[11:]), ErrMismatch},
		"more after it":                 {with(spec(), "webhook-signature", specSignature+"AAAA"), ErrMismatch},
		"a dot in the id":               {with(spec(), "webhook-id", "msg.1"), ErrMismatch},
		"a NUL in the id":               {with(spec(), "webhook-id", "msg\x00"), ErrMismatch},
		"an id that is JSON":            {with(spec(), "webhook-id", `{"a":"b`), ErrMismatch},
		"a negative time":               {with(spec(), "webhook-timestamp", "-1614265330"), ErrMismatch},
		"a plus":                        {with(spec(), "webhook-timestamp", "+1614265330"), ErrMismatch},
		"a fraction":                    {with(spec(), "webhook-timestamp", "1614265330.0"), ErrMismatch},
		"an exponent":                   {with(spec(), "webhook-timestamp", "1e9"), ErrMismatch},
		"a zero before it":              {with(spec(), "webhook-timestamp", "01614265330"), ErrMismatch},
		"a blank before it":             {with(spec(), "webhook-timestamp", " 1614265330"), ErrMismatch},
		"other digits":                  {with(spec(), "webhook-timestamp", "١٦١٤٢٦"), ErrMismatch},
		"hexadecimal":                   {with(spec(), "webhook-timestamp", "0x60379a72"), ErrMismatch},
		"milliseconds":                  {with(spec(), "webhook-timestamp", "1614265330000"), ErrMismatch},
		"more than an int64":            {with(spec(), "webhook-timestamp", "99999999999999999999"), ErrMismatch},
		"the year 33658":                {with(spec(), "webhook-timestamp", "999999999999"), ErrStale},
		"1970":                          {with(spec(), "webhook-timestamp", "1"), ErrStale},
		"zero":                          {with(spec(), "webhook-timestamp", "0"), ErrMismatch},
		"one that ends the tolerance":   {signed(t, specSecret, specID, specNow.Add(-5*time.Minute), specBody), nil},
		"a second older":                {signed(t, specSecret, specID, specNow.Add(-5*time.Minute-time.Second), specBody), ErrStale},
		"one from just ahead":           {signed(t, specSecret, specID, specNow.Add(5*time.Minute), specBody), nil},
		"a second further ahead":        {signed(t, specSecret, specID, specNow.Add(5*time.Minute+time.Second), specBody), ErrStale},
		"a foreign secret":              {signed(t, "other", specID, specNow, specBody), ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			for _, requireTimestamp := range []bool{false, true} {
				v := verifier(t, Options{Secrets: []string{specSecret}, RequireTimestamp: requireTimestamp})
				_, err := v.Check(test.header, []byte(specBody))
				if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				if early := v.Precheck(test.header); early != nil && !errors.Is(early, err) {
					t.Errorf("Precheck: %v, Check: %v", early, err)
				}
				if !v.Present(test.header) && !errors.Is(err, ErrMissing) {
					t.Errorf("not present, yet %v", err)
				}
			}
		})
	}
}

func TestPrecheckKnowsWhatNeedsNoBody(t *testing.T) {
	v := verifier(t, Options{Secrets: []string{specSecret}})
	for want, h := range map[error]http.Header{
		nil:         spec(),
		ErrMissing:  {},
		ErrStale:    with(spec(), "webhook-timestamp", "1614260000"),
		ErrMismatch: with(spec(), "webhook-signature", "v1,AAAA"),
	} {
		if err := v.Precheck(h); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestBodySignatures(t *testing.T) {
	body := `{"status":"sent"}`
	good := SignBody("token", []byte(body)).Get("X-Hub-Signature-256")
	bad := SignBody("other", []byte(body)).Get("X-Hub-Signature-256")
	for name, test := range map[string]struct {
		header http.Header
		want   error
	}{
		"with its prefix":       {http.Header{"X-Hub-Signature-256": {good}}, nil},
		"without":               {http.Header{"X-Hmac-Signature": {good[7:]}}, nil},
		"capitals":              {http.Header{"X-Signature-256": {strings.ToUpper(good[7:])}}, nil},
		"two names":             {http.Header{"X-Hmac-Signature": {bad}, "X-Hub-Signature-256": {good}}, nil},
		"another name":          {http.Header{"X-Hub-Signature": {good}}, ErrMissing},
		"a foreign secret":      {http.Header{"X-Hub-Signature-256": {bad}}, ErrMismatch},
		"the same name twice":   {http.Header{"X-Hub-Signature-256": {good, good}}, ErrMismatch},
		"twice, one is foreign": {http.Header{"X-Hub-Signature-256": {bad, good}}, ErrMismatch},
		"empty":                 {http.Header{"X-Hub-Signature-256": {""}}, ErrMismatch},
		"the prefix alone":      {http.Header{"X-Hub-Signature-256": {"sha256="}}, ErrMismatch},
		"the prefix twice":      {http.Header{"X-Hub-Signature-256": {"sha256=" + good}}, ErrMismatch},
		"half":                  {http.Header{"X-Hub-Signature-256": {good[:40]}}, ErrMismatch},
		"no hexadecimal":        {http.Header{"X-Hub-Signature-256": {strings.Repeat("z", 64)}}, ErrMismatch},
		"huge":                  {http.Header{"X-Hub-Signature-256": {strings.Repeat("a", 1<<20)}}, ErrMismatch},
		// The timestamped form decides where it is there.
		"beside a foreign one with a time": {http.Header{"X-Hub-Signature-256": {good}, "Webhook-Signature": {foreign}}, ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, Options{Secrets: []string{"token"}})
			proof, err := v.Check(test.header, []byte(body))
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil {
				return
			}
			// Nothing tells one message from the next that says the same.
			proof.Acknowledged()
			if _, err := v.Check(test.header, []byte(body)); err != nil {
				t.Errorf("a second time: %v", err)
			}
			strict := verifier(t, Options{Secrets: []string{"token"}, RequireTimestamp: true})
			if _, err := strict.Check(test.header, []byte(body)); !errors.Is(err, ErrMissing) || strict.Present(test.header) {
				t.Errorf("where a timestamp is required: %v", err)
			}
		})
	}
}

// A signature of one form, overheard, is of no use in the other.
func TestFormsStayApart(t *testing.T) {
	v := verifier(t, Options{Secrets: []string{"token"}})
	stamped := signed(t, "token", specID, specNow, specBody)
	sum, err := base64.StdEncoding.DecodeString(stamped.Get("webhook-signature")[3:])
	if err != nil {
		t.Fatal(err)
	}
	content := specID + ".1614265330." + specBody
	asBody := SignBody("token", []byte(content))
	if got := (http.Header{"X-Hub-Signature-256": {"sha256=" + hexOf(sum)}}); got.Get("X-Hub-Signature-256") != asBody.Get("X-Hub-Signature-256") {
		t.Fatal("the attack is not what it should be")
	}
	if _, err := v.Check(asBody, []byte(content)); !errors.Is(err, ErrMismatch) {
		t.Errorf("the timestamped signature passed for one of a body: %v", err)
	}
	for _, body := range []string{`{"a":"b.1.c"}`, `[1.5]`, `a=b.1.c`, ``, `1.5`, `a.b`, `jsonData=%7B%22v%22%3A1.2.3`} {
		if _, err := v.Check(SignBody("token", []byte(body)), []byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	// Ends of id, timestamp and body cannot be moved.
	for id, rest := range map[string]string{"a.1614265330": "1614265330.x", "a": "1614265330.1614265330.x"} {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": stamped["Webhook-Signature"]}
		if _, err := v.Check(h, []byte(rest)); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestSecrets(t *testing.T) {
	key := "whsec_" + base64.StdEncoding.EncodeToString([]byte("twenty-four bytes or more"))
	all := []string{"", "old", key, "new"}
	v := verifier(t, Options{Secrets: all})
	for _, secret := range all[1:] {
		if _, err := v.Check(signed(t, secret, "a", specNow, specBody), []byte(specBody)); err != nil {
			t.Errorf("stamped: %v", err)
		}
		if _, err := v.Check(SignBody(secret, []byte(specBody)), []byte(specBody)); err != nil {
			t.Errorf("body: %v", err)
		}
	}
	// A sender that signs with the old and the new one, of which we know one.
	both := signed(t, "newer", "a", specNow, specBody)
	both.Set("webhook-signature", both.Get("webhook-signature")+" "+signed(t, "new", "a", specNow, specBody).Get("webhook-signature"))
	if _, err := v.Check(both, []byte(specBody)); err != nil {
		t.Errorf("two signatures: %v", err)
	}

	for _, secrets := range [][]string{nil, {""}} {
		v := verifier(t, Options{Secrets: secrets})
		for _, h := range []http.Header{spec(), SignBody("", []byte(specBody))} {
			if _, err := v.Check(h, []byte(specBody)); !errors.Is(err, ErrMismatch) {
				t.Errorf("without a secret: %v", err)
			}
		}
	}

	for _, secret := range []string{"whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all, is it", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		_, err := New(Options{Secrets: []string{"fine", secret}})
		if err == nil || !strings.Contains(err.Error(), "secret 2") || len(secret) > 6 && strings.Contains(err.Error(), secret[6:]) {
			t.Errorf("%q: %v", secret, err)
		}
		if _, err := Sign(secret, "a", specNow, nil); err == nil {
			t.Errorf("signed with %q", secret)
		}
	}
	for _, id := range []string{"", "a.b", "a b", strings.Repeat("a", 257)} {
		if _, err := Sign("token", id, specNow, nil); err == nil {
			t.Errorf("signed the id %q", id)
		}
	}
	if _, err := Sign("token", "a", time.Unix(-1, 0), nil); err == nil {
		t.Error("signed a time before 1970")
	}
	if _, err := Sign("", "a", specNow, nil); err == nil {
		t.Error("signed without a secret")
	}
}
