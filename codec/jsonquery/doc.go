// Package jsonquery evaluates JSONPath the way that JSON.NET's SelectTokens
// does, which is older than RFC 9535 and differs from it: a path may lack its
// $, a filter may write @name for @.name, $..[?(…)] tests the root, too, && and
// || have no precedence over each other, and a comparison does not turn texts
// into numbers. Device mappings that were written for that engine mean what
// they meant there.
//
// Two things are different on purpose. A text that looks like a date stays the
// text that it is, and a comparison that JSON.NET throws an exception for, such
// as 'high' > 5, does not hold.
package jsonquery

import (
	"fmt"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// maxLength is how long an expression may be, in bytes, and maxNodes how many
// values one evaluation may look at: $..* in $..* would be a bomb.
const (
	maxLength = 4096
	maxNodes  = 1_000_000
)

// An Error says what is wrong with an expression, and at which byte, from 1.
type Error struct {
	At  int
	Msg string
}

// Error returns position and message.
func (e *Error) Error() string { return fmt.Sprintf("at character %d: %s", e.At, e.Msg) }

// A Path is an expression that was read. It does not change and may be used by
// many goroutines.
type Path struct {
	text  string
	steps []step
}

// String returns the expression.
func (p *Path) String() string { return p.text }

// Parse reads an expression.
func Parse(text string) (*Path, error) {
	if len(text) > maxLength {
		return nil, &Error{1, "the expression is too long"}
	}
	p := &parser{text: text}
	steps := p.main()
	if p.err != nil {
		return nil, p.err
	}
	return &Path{text, steps}, nil
}

// All returns everything that the path leads to, in the order of the document.
// It fails only when the document is too large for the expression.
func (p *Path) All(root *jsontree.Value) ([]*jsontree.Value, error) {
	r := &run{root: root, left: maxNodes}
	out := r.follow(p.steps, root)
	if r.left < 0 {
		return nil, fmt.Errorf("%s looks at more than %d values", p.text, maxNodes)
	}
	return out, nil
}

// One returns what the path leads to, nil when there is nothing, and an error
// when there are several.
func (p *Path) One(root *jsontree.Value) (*jsontree.Value, error) {
	all, err := p.All(root)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, nil //nolint:nilnil // nothing is a common and valid answer
	case len(all) > 1:
		return nil, fmt.Errorf("%s leads to %d values; want one", p.text, len(all))
	}
	return all[0], nil
}
