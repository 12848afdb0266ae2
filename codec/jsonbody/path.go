package jsonbody

import (
	"fmt"
	"strconv"
	"strings"
)

// A Path leads to a value, or with wildcards to several. It begins with $, the
// whole message, or with a dot, the item that is being read:
//
//	$.a.b        member b of member a
//	$.list[0]    first element; [-1] is the last
//	$['x y'].z   a name that needs quotes
//	$.list[*]    every element
//	$.list[]     every element, or the value itself when it is no list
//	.            the item itself
//	.value       a member of the item
type Path struct {
	text  string
	steps []step
	item  bool
	wild  bool
}

// A step goes one level down.
type step struct {
	kind  stepKind
	name  string
	index int
}

type stepKind uint8

const (
	toMember stepKind = iota
	toElem
	toAll
	toAllOrSelf
)

// ParsePath compiles a path.
func ParsePath(text string) (*Path, error) {
	p := &Path{text: text}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		if !strings.HasPrefix(text, ".") {
			return nil, fmt.Errorf("path %q begins neither with $ (the message) nor with a dot (the item)", text)
		}
		p.item = true
		if text == "." {
			return p, nil
		}
	}
	for rest != "" {
		var s step
		var err error
		if s, rest, err = parseStep(rest); err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
		p.steps = append(p.steps, s)
		p.wild = p.wild || s.kind >= toAll
	}
	return p, nil
}

// parseStep reads one step and returns what is left.
func parseStep(s string) (step, string, error) {
	if name, ok := strings.CutPrefix(s, "."); ok {
		end := strings.IndexAny(name, ".[]'\" \t")
		if end < 0 {
			end = len(name)
		}
		if end == 0 {
			return step{}, "", fmt.Errorf("want a name behind the dot; names with blanks, dots or brackets are written ['like this']")
		}
		return step{kind: toMember, name: name[:end]}, name[end:], nil
	}
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return step{}, "", fmt.Errorf("want a dot or a bracket at %q", s)
	}
	if len(inner) > 0 && (inner[0] == '\'' || inner[0] == '"') {
		name, rest, ok := strings.Cut(inner[1:], inner[:1]+"]")
		if !ok {
			return step{}, "", fmt.Errorf("no end of the name at %q", s)
		}
		return step{kind: toMember, name: name}, rest, nil
	}
	text, rest, ok := strings.Cut(inner, "]")
	switch {
	case !ok:
		return step{}, "", fmt.Errorf("no closing bracket at %q", s)
	case text == "*":
		return step{kind: toAll}, rest, nil
	case text == "":
		return step{kind: toAllOrSelf}, rest, nil
	}
	index, err := strconv.Atoi(text)
	if err != nil {
		return step{}, "", fmt.Errorf("want an index, * or a name in quotes at %q", s)
	}
	return step{kind: toElem, index: index}, rest, nil
}

// String returns the path as it was written.
func (p *Path) String() string { return p.text }

// OfItem tells whether the path begins at the item and not at the message.
func (p *Path) OfItem() bool { return p.item }

// Wild tells whether the path can lead to several values.
func (p *Path) Wild() bool { return p.wild }

// Find returns the value that a path without wildcards leads to from a value,
// or None.
func (d *Doc) Find(from Ref, p *Path) Ref {
	for i := range p.steps {
		if s := &p.steps[i]; s.kind == toMember {
			from = d.Member(from, s.name)
		} else {
			from = d.Elem(from, s.index)
		}
		if from == None {
			return None
		}
	}
	return from
}

// Select appends every value that the path leads to from a value.
func (d *Doc) Select(dst []Ref, from Ref, p *Path) []Ref {
	if d.Kind(from) == Missing {
		return dst
	}
	return d.selectSteps(dst, from, p.steps)
}

func (d *Doc) selectSteps(dst []Ref, from Ref, steps []step) []Ref {
	for i := range steps {
		switch s := &steps[i]; s.kind {
		case toMember:
			from = d.Member(from, s.name)
		case toElem:
			from = d.Elem(from, s.index)
		case toAll, toAllOrSelf:
			if d.Kind(from) == Array {
				for c := d.First(from); c != None; c = d.After(from, c) {
					dst = d.selectSteps(dst, c, steps[i+1:])
				}
				return dst
			}
			if s.kind == toAll {
				return dst
			}
		}
		if from == None {
			return dst
		}
	}
	return append(dst, from)
}

// PathTo returns where a value stands, as $.list[2].name.
func (d *Doc) PathTo(r Ref) string {
	b := []byte{'$'}
	for at := Root; at != r && at != None; {
		index, c := 0, d.First(at)
		for ; c != None; c, index = d.After(at, c), index+1 {
			if n := Ref(d.nodes[c].next); r >= c && r < n { // #nosec G115 -- bounded by MaxBytes
				break
			}
		}
		if c == None {
			break
		}
		if d.Kind(at) == Array {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(index), 10)
			b = append(b, ']')
		} else {
			b = appendName(b, string(d.key(&d.nodes[c])))
		}
		at = c
	}
	return string(b)
}

// PathBelow returns where the value that p leads to would stand below from.
func (d *Doc) PathBelow(from Ref, p *Path) string {
	b := []byte(d.PathTo(from))
	for _, s := range p.steps {
		switch s.kind {
		case toMember:
			b = appendName(b, s.name)
		case toElem:
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(s.index), 10)
			b = append(b, ']')
		case toAll:
			b = append(b, "[*]"...)
		case toAllOrSelf:
		}
	}
	return string(b)
}

// appendName writes .name, or ['name'] where that is needed.
func appendName(b []byte, name string) []byte {
	if name == "" || strings.ContainsAny(name, ".[]'\" \t\n") {
		b = append(b, "['"...)
		b = append(b, name...)
		return append(b, "']"...)
	}
	b = append(b, '.')
	return append(b, name...)
}
