// Package bench puts a server under load from a process of its own and measures
// what it does: acknowledged messages a second, how late an acknowledgement and
// a screen are, bytes on disk, start and reads; and it kills the server over and
// over to prove that nothing acknowledged is lost. Load generators are cheap and
// never wait for an answer before the next message is due, so that a stall
// shows in every message that it held up.
package bench
