package caddywagateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(wireSink{})
	httpcaddyfile.RegisterHandlerDirective("test_wire_sink", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(wireSink), nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_wire_sink", httpcaddyfile.Before, "reverse_proxy")
}

// wireSink stands where reverse_proxy does. It writes the request as a transport
// would, and keeps the bytes for the one fuzz test that runs in a process.
type wireSink struct{}

// sunk are the bytes that reached the sink; a fuzz process tries one input at a time.
var sunk bytes.Buffer

// CaddyModule returns the Caddy module information.
func (wireSink) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_wire_sink", New: func() caddy.Module { return new(wireSink) }}
}

func (wireSink) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if err := r.Write(&sunk); err != nil {
		return err // the body broke off: the WA server never got it whole
	}
	status, body := attackAnswer(r.Method, r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err := io.WriteString(w, body)
	return err
}

// FuzzRequest makes requests of any bytes, with alice's API key or without, and
// takes them through Caddy's server and the gateway. Whatever comes out at the end
// is a request on the allow list that names only sessions of alice's.
func FuzzRequest(f *testing.F) {
	attackSetup(f, "http://wa.example", "\treverse_proxy {\n\t\tdynamic wa_server\n\t\ttransport wa_server\n\t}\n", "\ttest_wire_sink\n", "{APP}", "rate_limit 1000000 1s", "{GLOBAL}", "admin off\n persist_config off\n log {\n output discard\n}")
	apps, err := caddy.ActiveContext().App("http")
	if err != nil {
		f.Fatal(err)
	}
	var server *caddyhttp.Server
	for _, server = range apps.(*caddyhttp.App).Servers {
		break
	}
	for _, a := range attackCorpus() {
		f.Add(a.method, a.target, a.lines(a.header), []byte(a.body))
		if a.raw != "" {
			f.Add("POST", "/api/wa/send-message", a.lines("{ALICE}"+jsonLine), []byte(a.lines(a.raw)))
		}
	}
	for _, body := range []attempt{
		{contentType: multipartType, body: parts(f, "to", "1", "session_id", bobSession)},
		{contentType: formType, body: "to=1&session_id=bob-1&a[b]=c"},
		{contentType: "application/json", body: `{"to":"1","data":{"session_id":"bob-1"},"sessionId":"\u0062"}`},
	} {
		lines := (&attack{}).lines("{ALICE}") + "Content-Type: " + body.contentType + "\r\n"
		for _, target := range []string{"/api/wa/send-media", "/api/wa/sessions", "/api/wa/webhook", "/api/wa/groups/x"} {
			f.Add("POST", target, lines, []byte(body.body))
		}
	}
	oracle := aliceOracle(allowedInAttacks...)
	var runs atomic.Uint32
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		sunk.Reset()
		n := runs.Add(1)
		// A stranger's address, and another each time: failures to authenticate are
		// counted by address.
		client := fmt.Sprintf("203.%d.%d.%d:4711", n>>16&0xff, n>>8&0xff, n&0xff)
		answers := serveBytes(server, client, wireOf(method, target, header, body))
		for _, answer := range answers {
			if answer.Code >= 500 && answer.Code != http.StatusNotImplemented && answer.Code != http.StatusBadGateway && !bytes.Contains(answer.Body.Bytes(), []byte("not now")) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
			if mark := findSecret(answer.Body.String() + fmt.Sprint(answer.Header())); mark != "" {
				t.Errorf("a secret (%s…) is in the answer", mark)
			}
		}
		got, err := parseWire(sunk.Bytes())
		if err != nil {
			t.Errorf("what the WA server got: %v\n%.2000q", err, sunk.Bytes())
		}
		for i := range got {
			if err := oracle.judge(&got[i]); err != nil {
				t.Errorf("%v\n%s", err, &got[i])
			}
		}
	})
}

// serveBytes takes the requests of one connection to a server, as net/http does,
// which lets no request through that these conditions hold against.
func serveBytes(server http.Handler, client string, payload []byte) (answers []*httptest.ResponseRecorder) {
	r := bufio.NewReader(bytes.NewReader(payload))
	for {
		req, err := http.ReadRequest(r)
		if err != nil || !acceptable(req) {
			return answers
		}
		req.RemoteAddr = client
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		answers = append(answers, w)
		if _, err := io.Copy(io.Discard, req.Body); err != nil || req.Close {
			return answers
		}
	}
}

// acceptable is what net/http's server checks after http.ReadRequest.
func acceptable(r *http.Request) bool {
	if r.ProtoMajor != 1 || strings.ContainsFunc(r.Host, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"/<>?@\^`+"`{|}", c)
	}) {
		return false
	}
	if r.Host == "" && r.ProtoAtLeast(1, 1) && r.Method != http.MethodConnect {
		return false
	}
	if expect := r.Header.Get("Expect"); expect != "" && !strings.EqualFold(expect, "100-continue") {
		return false
	}
	for name, values := range r.Header {
		if !isToken(name) {
			return false
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(c rune) bool { return (c < ' ' && c != '\t') || c == 0x7f }) {
				return false
			}
		}
	}
	return true
}
