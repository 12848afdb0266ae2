package protocoltest

import (
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A Sink is the other side of a driver, as a test wants it to behave.
type Sink struct {
	// React is called for each message; nil says at once that it is kept.
	React func(m vigil.Message, done func(error))
	// Taken gets each message as it comes, if there is room.
	Taken chan vigil.Message

	mu   sync.Mutex
	list []vigil.Message
}

// NewSink returns a sink.
func NewSink(react func(m vigil.Message, done func(error))) *Sink {
	return &Sink{React: react, Taken: make(chan vigil.Message, 4096)}
}

// Take is the vigil.Sink.
func (s *Sink) Take(m vigil.Message, done func(error)) {
	s.mu.Lock()
	s.list = append(s.list, m)
	s.mu.Unlock()
	select {
	case s.Taken <- m:
	default:
	}
	if s.React == nil {
		done(nil)
		return
	}
	s.React(m, done)
}

// Messages returns what has come.
func (s *Sink) Messages() []vigil.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]vigil.Message(nil), s.list...)
}

// Next waits for the next message.
func (s *Sink) Next(t testing.TB) vigil.Message {
	t.Helper()
	select {
	case m := <-s.Taken:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message came to the sink within 10 s")
		return vigil.Message{}
	}
}

// None fails when a message has come.
func (s *Sink) None(t testing.TB) {
	t.Helper()
	if list := s.Messages(); len(list) > 0 {
		t.Errorf("the sink got %d messages, want none; first: device %s payload %.60q", len(list), list[0].Device, list[0].Payload)
	}
}
