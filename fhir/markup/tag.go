package markup

import "strings"

func (p *parser) startTag() error {
	start := p.i
	switch {
	case len(p.open) == 0 && p.rooted:
		return p.fail(start, "a second element beside the document's element")
	case len(p.open) == MaxDepth:
		return p.fail(start, "more than %d elements within each other", MaxDepth)
	}
	p.i++
	nameAt := uint32(p.i)
	name, prefix, err := p.qualified()
	if err != nil {
		return err
	}
	at := uint32(len(p.d.nodes))
	if len(p.open) == 0 {
		p.d.root, p.rooted = at, true
	}
	p.add(node{kind: Element, off: uint32(start), name: nameAt, nameLen: uint16(len(name)), prefix: prefix, attr: uint32(len(p.d.attrs))})
	p.open = append(p.open, at)
	empty, err := p.attributes(at)
	if err == nil {
		err = p.qualify(at)
	}
	if err != nil {
		return err
	}
	n := &p.d.nodes[at]
	n.in, n.inEnd, n.end = uint32(p.i), uint32(p.i), uint32(p.i)
	if empty {
		p.close()
	}
	return nil
}

// attributes reads attributes and the end of the tag.
func (p *parser) attributes(at uint32) (empty bool, err error) {
	for {
		spaced := p.space()
		switch {
		case p.i >= len(p.s):
			return false, p.fail(int(p.d.nodes[at].off), "a tag without an end")
		case p.s[p.i] == '>':
			p.i++
			return false, nil
		case strings.HasPrefix(p.s[p.i:], "/>"):
			p.i += 2
			return true, nil
		case !spaced:
			return false, p.fail(p.i, "no white space before an attribute")
		}
		if p.d.nodes[at].attrs == maxAttributes {
			return false, p.fail(p.i, "more than %d attributes", maxAttributes)
		}
		p.d.nodes[at].attrs++
		if err := p.attribute(); err != nil {
			return false, err
		}
	}
}

func (p *parser) attribute() error {
	start := p.i
	name, prefix, err := p.qualified()
	if err != nil {
		return err
	}
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != '=' {
		return p.fail(p.i, "the attribute %.60q without a value", name)
	}
	p.i++
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != '"' && p.s[p.i] != '\'' {
		return p.fail(p.i, "the value of %.60q without quotes", name)
	}
	quote := p.s[p.i]
	p.i++
	value := p.i
	for p.i < len(p.s) && p.s[p.i] != quote {
		switch p.s[p.i] {
		case '<':
			return p.fail(p.i, "< in the value of %.60q", name)
		case '&':
			_, n, msg := reference(p.s[p.i:])
			if msg != "" {
				return p.fail(p.i, "%s", msg)
			}
			p.i += n
		default:
			p.i++
		}
	}
	if p.i >= len(p.s) {
		return p.fail(value-1, "the value of %.60q has no end", name)
	}
	p.d.attrs = append(p.d.attrs, attribute{prefix: prefix, name: uint32(start), nameLen: uint16(len(name)), value: uint32(value), end: uint32(p.i)})
	p.i++
	return nil
}

// qualify finds the namespaces of an element and its attributes.
func (p *parser) qualify(at uint32) error {
	n := &p.d.nodes[at]
	attrs := p.d.attrs[n.attr:]
	for i := range attrs {
		if err := p.declare(&attrs[i]); err != nil {
			return err
		}
	}
	var ok bool
	if n.space, ok = p.lookup(p.d.src[n.name : n.name+uint32(n.prefix)]); !ok {
		return p.fail(int(n.off), "the prefix %.60q is not declared", p.d.src[n.name:n.name+uint32(n.prefix)])
	}
	for i := range attrs {
		a := &attrs[i]
		if a.space != declares && a.prefix > 0 {
			if a.space, ok = p.lookup(p.d.src[a.name : a.name+uint32(a.prefix)]); !ok {
				return p.fail(int(a.name), "the prefix %.60q is not declared", p.d.src[a.name:a.name+uint32(a.prefix)])
			}
		}
		for j := range attrs[:i] {
			if p.sameName(a, &attrs[j]) {
				return p.fail(int(a.name), "the attribute %.60q is there twice", p.d.src[a.name:a.name+uint32(a.nameLen)])
			}
		}
	}
	return nil
}

func (p *parser) sameName(a, b *attribute) bool {
	s := p.d.src
	if a.space != b.space {
		return false
	}
	if a.space == declares {
		return s[a.name:a.name+uint32(a.nameLen)] == s[b.name:b.name+uint32(b.nameLen)]
	}
	return s[a.name+uint32(a.prefix):a.name+uint32(a.nameLen)] == s[b.name+uint32(b.prefix):b.name+uint32(b.nameLen)]
}

// declare takes an attribute that declares a namespace.
func (p *parser) declare(a *attribute) error {
	full := p.d.src[a.name : a.name+uint32(a.nameLen)]
	if full != "xmlns" && !strings.HasPrefix(full, "xmlns:") {
		return nil
	}
	a.space = declares
	prefix, space := p.d.declared(a), resolve(p.d.src[a.value:a.end], true)
	switch {
	case prefix == "xmlns", prefix != "xml" && space == xmlSpace, prefix == "xml" && space != xmlSpace:
		return p.fail(int(a.name), "a declaration of the reserved prefix xml or xmlns")
	case prefix != "" && space == "":
		return p.fail(int(a.name), "the prefix %.60q is declared as nothing", prefix)
	case len(p.scopes) == maxSpaces:
		return p.fail(int(a.name), "more than %d declarations of namespaces within each other", maxSpaces)
	}
	number := -1
	for i, s := range p.d.spaces {
		if s == space {
			number = i
			break
		}
	}
	if number < 0 {
		if number = len(p.d.spaces); number == 10*maxSpaces {
			return p.fail(int(a.name), "more than %d namespaces", 10*maxSpaces)
		}
		p.d.spaces = append(p.d.spaces, space)
	}
	p.scopes = append(p.scopes, scope{prefix, uint16(number), len(p.open)})
	return nil
}

// lookup finds the namespace of a prefix, which comes with its colon.
func (p *parser) lookup(prefix string) (space uint16, ok bool) {
	prefix = strings.TrimSuffix(prefix, ":")
	if prefix == "xml" {
		return 1, true
	}
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if p.scopes[i].prefix == prefix {
			return p.scopes[i].space, true
		}
	}
	return 0, prefix == ""
}

func (p *parser) endTag() error {
	start := p.i
	p.i += 2
	name, _, err := p.qualified()
	if err != nil {
		return err
	}
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != '>' {
		return p.fail(start, "an end tag without an end")
	}
	p.i++
	if len(p.open) == 0 {
		return p.fail(start, "the end tag </%.60s> without an element", name)
	}
	n := &p.d.nodes[p.open[len(p.open)-1]]
	if want := p.d.src[n.name : n.name+uint32(n.nameLen)]; name != want {
		return p.fail(start, "the end tag </%.60s> where </%.60s> should be", name, want)
	}
	n.inEnd, n.end = uint32(start), uint32(p.i)
	p.close()
	return nil
}

// close ends the innermost element.
func (p *parser) close() {
	last := len(p.open) - 1
	p.d.nodes[p.open[last]].next = uint32(len(p.d.nodes))
	p.open = p.open[:last]
	for n := len(p.scopes); n > 0 && p.scopes[n-1].depth > last; n-- {
		p.scopes = p.scopes[:n-1]
	}
}
