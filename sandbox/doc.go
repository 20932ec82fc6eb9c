// Package sandbox is a WhatsApp server that sends nothing: it takes every call of the
// contract's table of endpoints (§3, without the prefix /api/wa), checks it as a real server
// would, answers, and tells the events endpoint afterwards what became of each message. It is
// there for trying the gateway, for customers' test keys, and for tests and benchmarks. It
// opens no connection but the one to the events endpoint: webhook addresses and media URLs are
// kept or looked at, never called.
//
// # Numbers that decide
//
// What becomes of a message is decided by the last four digits of its recipient:
//
//	…0000     sent, then failed with an error text
//	…0001     sent, and nothing after that
//	…0002     sent, then delivered, never read
//	others    sent, delivered, read
//
// # Sessions
//
// State is kept per user (X-User-ID) and session, so that two users may use the same session
// id without seeing each other's things. A session that X-Session-ID names and that the sandbox
// has never seen is taken as existing and connected: the gateway's database knows it, and a
// fresh gateway can send at once. One that only a path or a body names must have been created.
// A created session is started, shows its QR code, and pairs by itself after Options.PairAfter.
//
// # What a broadcast counts
//
// A broadcast is one message per recipient: each has an id of its own in data.results, and
// events of its own. The answer's data.message_id is the id of the first of them, and the
// broadcast's own id stands under data.broadcast_id. That is on purpose: the gateway counts the
// results of a broadcast's answer where it can read them, and else the answer's one message id
// (contract §8). An id which no event ever names would then be counted beside the recipients'
// messages, N+1 for N recipients. This way answer and events together give exactly N however
// the answer is read, as both name the same messages. Without callbacks (no Options.EventsURL,
// or switched off for a call) only the answer is there to be counted.
//
// # Bounds
//
// 10,000 sessions and 100,000 messages altogether (past that the session unused for longest is
// forgotten), 200 messages per session, 1,000 bytes of text per message, 10,000 messages with
// events still to come, 10,000 recipients per broadcast, bodies of 100 MiB, of which at most
// 1 MiB is kept while a call is answered: files and long values are read, counted and dropped.
package sandbox
