package deliver

import "net/url"

// enterHost takes one of the workers for the host of a URL, until leave is called. One
// host has half of them at the most, so that slow answers of one customer leave some for
// the others.
func (s *Sender) enterHost(target string) (leave func(), free bool) {
	host := target
	if u, err := url.Parse(target); err == nil {
		host = u.Host
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[host] >= max(s.options.Workers/2, 1) {
		return nil, false
	}
	s.hosts[host]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.hosts[host]--; s.hosts[host] == 0 {
			delete(s.hosts, host)
		}
	}, true
}
