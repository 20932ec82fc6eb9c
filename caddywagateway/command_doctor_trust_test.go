package caddywagateway

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDoctorTrust(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(inside, ".dockerenv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const sound = `^nobody can pass`
	site := func(address, trusted string) string {
		return address + " {\n\twa_events\n\twa_gateway {\n\t\t" + trusted + "\n\t}\n\treverse_proxy localhost:1\n}\n"
	}
	proxies := "{\n\tservers {\n\t\ttrusted_proxies static private_ranges\n\t}\n}\n"
	for name, test := range map[string]struct {
		config             string
		onHost, inAnEngine string // status
		message            string
	}{
		"plain":                {site("http://:8070", ""), checkOK, checkWarn, `the site on :8070 \(wa_events, wa_gateway\) .*this is a container`},
		"plain, named":         {site("http://:8070", "trusted_clients private_ranges"), checkOK, checkWarn, `\(wa_gateway\) .*this is a container`},
		"plain, one subnet":    {site("http://:8070", "trusted_clients 172.18.0.5"), checkOK, checkWarn, `this is a container`},
		"plain, with a name":   {site("http://gw.example.com:8070", ""), checkOK, checkWarn, `this is a container`},
		"plain, HTTPS off":     {"{\n\tauto_https off\n}\n" + site("http://gw.example.com:8070", ""), checkOK, checkWarn, `this is a container`},
		"a name of loopback":   {site("http://127.0.0.1:8070", ""), checkOK, checkWarn, `this is a container`}, // it listens everywhere
		"bound to loopback":    {site("http://:8070", "}\n\tbind 127.0.0.1\n\tvars {"), checkOK, checkOK, ``},
		"Unix socket":          {site("http://:8070", "}\n\tbind unix//tmp/x.sock\n\tvars {"), checkOK, checkOK, ``},
		"public":               {site("gw.example.com", ""), checkOK, checkOK, ``},
		"public, private":      {site("gw.example.com", "trusted_clients private_ranges"), checkWarn, checkWarn, `the site on :443 \(wa_gateway\) is a public site`},
		"public, other port":   {site("https://gw.example.com:8443", "trusted_clients 10.0.0.0/8"), checkWarn, checkWarn, `on :8443 .*public site`},
		"public, own TLS":      {site("gw.example.com", "trusted_clients private_ranges\n\t}\n\ttls internal\n\tvars {"), checkWarn, checkWarn, `public site`},
		"public, loopback":     {site("gw.example.com", "trusted_clients 127.0.0.1"), checkOK, checkOK, ``},
		"public, one server":   {site("gw.example.com", "trusted_clients 203.0.113.7"), checkOK, checkOK, ``},
		"everybody":            {site("http://:8070", "trusted_clients 0.0.0.0/0"), checkFail, checkFail, `0\.0\.0\.0/0 .*strangers`},
		"everybody, IPv6":      {site("gw.example.com", "trusted_clients ::/0"), checkFail, checkFail, `::/0 .*strangers`},
		"half of them":         {site("http://:8070", "trusted_clients 10.0.0.1 128.0.0.0/1"), checkFail, checkFail, `128\.0\.0\.0/1`},
		"everybody, but local": {site("http://:8070", "trusted_clients 0.0.0.0/0\n\t}\n\tbind 127.0.0.1 ::1\n\tvars {"), checkOK, checkOK, ``},
		"nobody":               {site("http://:8070", "trusted_clients none\n\t}\n\tvars {"), checkOK, checkWarn, `\(wa_events\) .*this is a container`},
		"trusted proxies":      {proxies + site("http://:8070", "trusted_clients 10.0.0.20"), checkWarn, checkWarn, `X-Forwarded-For`},
		"proxies, no trust":    {proxies + site("gw.example.com", ""), checkOK, checkOK, ``},
		"one proxy":            {"{\n\tservers {\n\t\ttrusted_proxies static 203.0.113.2\n\t}\n}\n" + site("http://:8070", "trusted_clients 10.0.0.20"), checkOK, checkWarn, `container`},
		"nested": {"http://:8070 {\n\troute /api/* {\n\t\thandle {\n\t\t\twa_gateway {\n\t\t\t\ttrusted_clients 0.0.0.0/0\n\t\t\t}\n\t\t}\n\t}\n}\n",
			checkFail, checkFail, `strangers`},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t, test.config)
			for root, status := range map[string]string{outside: test.onHost, inside: test.inAnEngine} {
				d := doctorOf(t, c, root)
				d.checkTrust()
				got := diagnosis{Checks: d.findings}
				if status == checkOK {
					got.want(t, checkOK, "trust", sound)
					got.wantNo(t, checkWarn, "trust")
					got.wantNo(t, checkFail, "trust")
				} else {
					got.want(t, status, "trust", test.message)
					got.wantNo(t, checkOK, "trust")
				}
			}
		})
	}
}

func TestInContainer(t *testing.T) {
	for name, text := range map[string]string{
		".dockerenv":        "",
		"run/.containerenv": "engine=\"podman\"",
		"proc/1/cgroup":     "0::/kubepods.slice/kubepods-pod1.slice\n",
		"proc/2/cgroup":     "0::/docker/1\n",
		"etc/hostname":      "docker",
	} {
		root := t.TempDir()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want := name == ".dockerenv" || name == "run/.containerenv" || name == "proc/1/cgroup"
		if got := inContainer(root); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
