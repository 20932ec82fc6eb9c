package deliver

import "testing"

// One host has half of the workers.
func TestEnterHost(t *testing.T) {
	s := &Sender{options: Options{Workers: 4}, hosts: map[string]int{}}
	var leaves []func()
	for i, c := range []struct {
		url  string
		free bool
	}{
		{"https://slow.example/a", true}, {"https://slow.example/b", true}, {"https://slow.example/c", false},
		{"https://quick.example/", true}, {"https://slow.example:8443/", true},
	} {
		leave, free := s.enterHost(c.url)
		if free != c.free {
			t.Errorf("%d: %s: %v", i, c.url, free)
		}
		if free {
			leaves = append(leaves, leave)
		}
	}
	for _, leave := range leaves {
		leave()
	}
	if len(s.hosts) != 0 {
		t.Errorf("left: %v", s.hosts)
	}
}
