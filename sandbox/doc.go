// Package sandbox is a WhatsApp server that sends nothing. As "generic" it takes every call of
// the contract's table of endpoints (§3, without the prefix /api/wa), checks it as a real server
// would, answers, and tells the events endpoint afterwards what became of each message. As
// "wuzapi", "gowa" (go-whatsapp-web-multidevice), "waha" or "evolution" it is that server, as far as
// a gateway meets it: its paths, credentials, shapes and errors, and its own webhooks. It is there
// for trying the gateway, for customers' test keys, and for tests and benchmarks.
//
// It opens no connection but to the events endpoint. Media URLs are looked at, never called.
// generic keeps webhook addresses and does not call them; the other servers call those that have
// the host and port of Options.EventsURL or, without one, a loopback address, and no others.
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
// The servers with an API of their own know more of them, and say those things in their own ways:
//
//	…0000     failed by an event where the server has one (waha, evolution), else by its error
//	…0003     every receipt comes twice
//	…0004     receipts come in the wrong order: read, delivered, sent
//	…0005     the answer takes its time (Options.Slow)
//	…0006     the server answers 500, and nothing is sent
//	…0007     the session loses its connection after the message
//	…0008     the number is not on WhatsApp
//
// # The sandbox's own calls
//
// Beside what they pretend, these servers take calls of the sandbox's own, guarded by
// Options.Token as Authorization: Bearer. A session is named by its id, or as its server names it.
//
//	POST /_sandbox/script      what is to happen in a session:
//	    {"session": "a",
//	     "next": [{"status": 503, "delay": "2s", "drop": true, "absent": true, "fail": true,
//	               "receipts": "twice"}],      one for each of the next sends
//	     "receipts": "twice",                   twice, reversed, none, or "" for as usual
//	     "qr_expires_after": "5s",              nobody scans the code in this time
//	     "drop": true}                          the connection is lost now
//	POST /_sandbox/incoming    a message comes in:
//	    {"session": "a", "from": "628123456789", "name": "Budi", "text": "hello",
//	     "chat": "120363@g.us", "id": "A1", "reply_to": "B2", "own": false,
//	     "media": {"kind": "image", "mimetype": "image/png", "filename": "a.png", "data": "<base64>"}}
//	GET  /_sandbox/sent        the last messages that were accepted, of all sessions or of
//	                           ?session=, with the size and SHA-256 of their media
//
// # What is dangerous is there, too
//
// What makes a server dangerous behind a gateway is pretended on purpose, so that tests can show
// that the gateway closes it: wuzapi's ?token=, its webhook that falls silent when it is set
// without events, the keys that sign nothing until they are set again, the index of everybody's
// chats; GOWA's single device that is taken when none is named, and codes that need no credential;
// WAHA's session "default" for a body without one, and its errors that show the whole call;
// Evolution's query that wins over the path. All of them list everybody's secrets to whoever holds
// the administrator's credential.
//
// # Sessions
//
// What follows is generic's. The other servers have one space of sessions, as they have in
// truth, and theirs must be created; started, they show codes that change every 20 s, and pair by
// themselves after Options.PairAfter.
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
//
// Of the other servers: 1,000 sessions (the oldest is forgotten), 100 messages per session, 500
// messages in /_sandbox/sent, 100 files that came in of 256 KiB each, 100 steps in a script, and
// bodies of 64 MiB (WAHA: 50 MiB; multipart: 100 MiB, whose files are counted, not kept).
package sandbox
