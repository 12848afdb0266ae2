package vigil

import (
	"errors"
	"fmt"
)

// A Kind classifies an error so that every edge can map it exhaustively.
type Kind uint8

// The kinds. Internal is the zero value: what nobody classified hides its
// details from the outside.
const (
	Internal    Kind = iota
	Invalid          // the input is wrong; the message says where
	NotFound         // there is no such thing
	Conflicting      // it contradicts what is already there
	Unknown          // nobody knows who is asking
	Forbidden        // known, but not allowed
	TooLarge         // over a limit
	Overloaded       // try again later; nothing was kept
	Full             // there is no room to keep it safely; nothing was kept
	Unavailable      // a part that is needed is not there now
)

// String returns the word for the kind.
func (k Kind) String() string {
	words := [...]string{
		"internal", "invalid", "not-found", "conflict", "unknown-credentials", "forbidden",
		"too-large", "overloaded", "full", "unavailable",
	}
	if int(k) < len(words) {
		return words[k]
	}
	return "internal"
}

// An Error is what crosses a border between rooms. Msg is for the user and
// holds no patient data; Path points into the input (JSON pointer, file
// position); Err is for the log.
type Error struct {
	Kind Kind
	Op   string
	Path string
	Msg  string
	Err  error
}

// Error returns the operation, the position and the message.
func (e *Error) Error() string {
	s := e.Msg
	if s == "" && e.Err != nil {
		s = e.Err.Error()
	}
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind.
func Errorf(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// KindOf returns the kind of err: that of the first *Error in its chain,
// Internal otherwise.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
