// Package crashtest kills the gateway and its database at random moments under
// load, and puts faults between them, with the real programs: what the gateway has
// acknowledged is counted exactly once whatever happens (contract §8).
//
// The tests need PostgreSQL's programs. The number of kills is made for a run beside
// other tests; WA_CRASH_ROUNDS sets another one for each test:
//
//	WA_CRASH_ROUNDS=500 go test -run TestKill -timeout 1h ./crashtest
package crashtest
