// Package jmespath evaluates JMESPath (jmespath.org, the grammar and functions
// of the 2015 specification) over JSON. Whoever uses it may add functions of
// their own. Expressions are bounded in length and depth, and an evaluation in
// the values that it makes.
package jmespath

import (
	"fmt"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// The bounds: bytes of an expression, depth of an expression, values that one
// evaluation may make, and bytes of the texts that it may make.
const (
	maxLength = 4096
	maxDepth  = 64
	maxValues = 1_000_000
	maxBytes  = 16 << 20
)

// An Error says what is wrong with an expression, and at which byte, from 1.
type Error struct {
	At  int
	Msg string
}

// Error returns position and message.
func (e *Error) Error() string { return fmt.Sprintf("at character %d: %s", e.At, e.Msg) }

// A Function is one that expressions may call beside those of the
// specification.
type Function struct {
	Name string
	Args int // how many it takes
	// Call gets as many arguments as Args says, none of them nil, and returns
	// a value that is not nil, or an error.
	Call func(args []*jsontree.Value) (*jsontree.Value, error)
}

// An Expression is one that was read. It does not change and may be used by
// many goroutines.
type Expression struct {
	text string
	root *node
}

// String returns the expression.
func (e *Expression) String() string { return e.text }

// Parse reads an expression that may call own functions, too.
func Parse(text string, own ...Function) (*Expression, error) {
	if len(text) > maxLength {
		return nil, &Error{1, "the expression is too long"}
	}
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, functions: library(own)}
	root := p.expression(0)
	if p.err == nil && p.peek().kind != tEnd {
		p.unexpected()
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Expression{text, root}, nil
}

// Search evaluates the expression. What is not there is null; an error means
// that a function got what it cannot work with, or that the result is too
// large.
func (e *Expression) Search(v *jsontree.Value) (out *jsontree.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			out, err = nil, fmt.Errorf("%s", f)
		}
	}()
	r := &run{values: maxValues, bytes: maxBytes}
	return r.eval(e.root, v), nil
}

// A failure ends an evaluation. It is a panic within this package only: an
// evaluation is a deep recursion in which nothing can go on after one.
type failure string

// fail ends the evaluation.
func fail(format string, args ...any) {
	panic(failure(fmt.Sprintf(format, args...)))
}
