package graph

import "github.com/vigil-iomt/vigil/fhir/tree"

// A document is a query that was read.
type document struct {
	operations []*operation
	fragments  map[string]*fragment
}

// An operation is a query with its variables.
type operation struct {
	at        token
	name      string
	variables map[string]variable
	fields    []*selection
}

// A variable is what an operation declares.
type variable struct {
	required bool
	standard *value // its default, nil without one
}

// A fragment is a named selection.
type fragment struct {
	at     token
	on     string
	fields []*selection
}

// A selection is a field, or a fragment: spread names one, an inline one has
// neither field nor spread.
type selection struct {
	at         token
	alias      string
	field      string
	spread     string
	on         string // type condition of an inline fragment
	inline     bool
	args       []argument
	directives []directive
	fields     []*selection // nil: none were asked for
}

// answered is the name under which the field is answered.
func (s *selection) answered() string {
	if s.alias != "" {
		return s.alias
	}
	return s.field
}

// An argument is a named value.
type argument struct {
	at    token
	name  string
	value *value
}

// A directive is @name with arguments.
type directive struct {
	at   token
	name string
	args []argument
}

// A value is a literal, a variable or a list.
type value struct {
	at       token
	kind     tree.Kind // None: a variable
	text     string    // string, number, enum, true or false; name of a variable
	items    []*value
	variable bool
}

// maxDepth is how deep selections and lists may lie within each other.
const maxDepth = 50

// A parser reads a document (GraphQL §2).
type parser struct {
	l     lexer
	t     token // the one to be looked at
	depth int
}

// parse reads a query.
func parse(text string) (*document, error) {
	p := &parser{l: lexer{text: text, line: 1, col: 1}}
	if err := p.next(); err != nil {
		return nil, err
	}
	d := &document{fragments: map[string]*fragment{}}
	for p.t.kind != atEnd {
		if err := p.definition(d); err != nil {
			return nil, err
		}
	}
	if len(d.operations) == 0 {
		return nil, p.t.wrong("the query is empty")
	}
	return d, nil
}

func (p *parser) next() (err error) {
	p.t, err = p.l.next()
	return err
}

// is tells whether the next token is this mark or name.
func (p *parser) is(text string) bool {
	return (p.t.kind == mark || p.t.kind == name) && p.t.text == text
}

// take takes a mark if it is next.
func (p *parser) take(text string) (bool, error) {
	if !p.is(text) {
		return false, nil
	}
	return true, p.next()
}

// want takes a mark that has to be next.
func (p *parser) want(text string) error {
	if !p.is(text) {
		return p.unexpected(text)
	}
	return p.next()
}

// unexpected says what should have come.
func (p *parser) unexpected(want string) error {
	if p.t.kind == atEnd {
		return p.t.wrong("the query ends where %s is expected", want)
	}
	return p.t.wrong("%q stands where %s is expected", p.t.text, want)
}

// named takes a name.
func (p *parser) named(what string) (string, error) {
	if p.t.kind != name {
		return "", p.unexpected(what)
	}
	text := p.t.text
	return text, p.next()
}

// within calls f one level deeper.
func (p *parser) within(f func() error) error {
	if p.depth++; p.depth > maxDepth {
		return p.t.wrong("the query is deeper than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	return f()
}

// definition reads an operation or a fragment.
func (p *parser) definition(d *document) (err error) {
	at := p.t
	switch {
	case p.is("{"):
		o := &operation{at: at}
		o.fields, err = p.selections()
		d.operations = append(d.operations, o)
		return err
	case p.is("query"):
		o := &operation{at: at}
		d.operations = append(d.operations, o)
		return p.operation(o)
	case p.is("mutation"), p.is("subscription"):
		return at.wrong("a %s is not supported: resources are written with the REST interactions", at.text)
	case p.is("fragment"):
		return p.fragment(d)
	}
	return p.unexpected("query, fragment or {")
}

// operation reads what follows the word query.
func (p *parser) operation(o *operation) (err error) {
	if err = p.next(); err != nil {
		return err
	}
	if p.t.kind == name {
		o.name = p.t.text
		if err = p.next(); err != nil {
			return err
		}
	}
	if o.variables, err = p.variables(); err != nil {
		return err
	}
	if _, err = p.directives(); err != nil {
		return err
	}
	o.fields, err = p.selections()
	return err
}

// variables reads ($name: Type = default …).
func (p *parser) variables() (map[string]variable, error) {
	out := map[string]variable{}
	if open, err := p.take("("); !open || err != nil {
		return out, err
	}
	for !p.is(")") {
		if err := p.want("$"); err != nil {
			return nil, err
		}
		id, err := p.named("the name of a variable")
		if err != nil {
			return nil, err
		}
		if err := p.want(":"); err != nil {
			return nil, err
		}
		var v variable
		if v.required, err = p.typeOf(); err != nil {
			return nil, err
		}
		if given, err := p.take("="); err != nil {
			return nil, err
		} else if given {
			if v.standard, err = p.value(); err != nil {
				return nil, err
			}
		}
		if _, err := p.directives(); err != nil {
			return nil, err
		}
		out[id] = v
	}
	return out, p.next()
}

// typeOf reads the type of a variable and tells whether it has to be given.
func (p *parser) typeOf() (required bool, err error) {
	if list, err := p.take("["); err != nil {
		return false, err
	} else if list {
		if err := p.within(func() error { _, err := p.typeOf(); return err }); err != nil {
			return false, err
		}
		if err := p.want("]"); err != nil {
			return false, err
		}
	} else if _, err := p.named("a type"); err != nil {
		return false, err
	}
	return p.take("!")
}

// fragment reads fragment Name on Type {…}.
func (p *parser) fragment(d *document) error {
	f := &fragment{at: p.t}
	if err := p.next(); err != nil {
		return err
	}
	at := p.t
	id, err := p.named("the name of a fragment")
	if err != nil {
		return err
	}
	if d.fragments[id] != nil || id == "on" {
		return at.wrong("there cannot be a fragment %q here", id)
	}
	d.fragments[id] = f
	if err := p.want("on"); err != nil {
		return err
	}
	if f.on, err = p.named("a type"); err != nil {
		return err
	}
	if _, err := p.directives(); err != nil {
		return err
	}
	f.fields, err = p.selections()
	return err
}

// selections reads {…}.
func (p *parser) selections() (list []*selection, err error) {
	open := p.t
	if err := p.want("{"); err != nil {
		return nil, err
	}
	err = p.within(func() error {
		for !p.is("}") {
			s, err := p.selection()
			if err != nil {
				return err
			}
			list = append(list, s)
		}
		return p.next()
	})
	if err == nil && len(list) == 0 {
		err = open.wrong("nothing is selected here")
	}
	return list, err
}

// selection reads a field or a fragment.
func (p *parser) selection() (*selection, error) {
	s := &selection{at: p.t}
	if dots, err := p.take("..."); err != nil {
		return nil, err
	} else if dots {
		return s, p.spread(s)
	}
	var err error
	if s.field, err = p.named("a field"); err != nil {
		return nil, err
	}
	if aliased, err := p.take(":"); err != nil {
		return nil, err
	} else if aliased {
		s.alias = s.field
		if s.field, err = p.named("a field"); err != nil {
			return nil, err
		}
	}
	if s.args, err = p.arguments(); err != nil {
		return nil, err
	}
	if s.directives, err = p.directives(); err != nil {
		return nil, err
	}
	if p.is("{") {
		s.fields, err = p.selections()
	}
	return s, err
}

// spread reads what follows three dots.
func (p *parser) spread(s *selection) (err error) {
	if p.t.kind == name && p.t.text != "on" {
		s.spread = p.t.text
		if err = p.next(); err != nil {
			return err
		}
		s.directives, err = p.directives()
		return err
	}
	s.inline = true
	on, err := p.take("on")
	if err != nil {
		return err
	}
	if on {
		if s.on, err = p.named("a type"); err != nil {
			return err
		}
	}
	if s.directives, err = p.directives(); err != nil {
		return err
	}
	s.fields, err = p.selections()
	return err
}

// arguments reads (name: value …).
func (p *parser) arguments() ([]argument, error) {
	if open, err := p.take("("); !open || err != nil {
		return nil, err
	}
	var list []argument
	for !p.is(")") {
		a := argument{at: p.t}
		var err error
		if a.name, err = p.named("an argument"); err != nil {
			return nil, err
		}
		if err := p.want(":"); err != nil {
			return nil, err
		}
		if a.value, err = p.value(); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, p.next()
}

// directives reads @name(…) as often as it comes.
func (p *parser) directives() ([]directive, error) {
	var list []directive
	for p.is("@") {
		if err := p.next(); err != nil {
			return nil, err
		}
		d := directive{at: p.t}
		var err error
		if d.name, err = p.named("a directive"); err != nil {
			return nil, err
		}
		if d.args, err = p.arguments(); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// value reads a value.
func (p *parser) value() (*value, error) {
	v := &value{at: p.t, text: p.t.text}
	switch {
	case p.is("$"):
		if err := p.next(); err != nil {
			return nil, err
		}
		v.variable, v.text = true, p.t.text
		_, err := p.named("the name of a variable")
		return v, err
	case p.is("["):
		return v, p.list(v)
	case p.is("{"):
		return v, p.object(v)
	case p.t.kind == name:
		v.kind = map[string]tree.Kind{"true": tree.Bool, "false": tree.Bool, "null": tree.Null}[v.text]
		if v.kind == tree.None {
			v.kind = tree.String // a word of an enumeration
		}
	case p.t.kind == number:
		v.kind = tree.Number
	case p.t.kind == quoted:
		v.kind = tree.String
	default:
		return nil, p.unexpected("a value")
	}
	return v, p.next()
}

// list reads the rest of [value …].
func (p *parser) list(v *value) error {
	v.kind = tree.Array
	if err := p.next(); err != nil {
		return err
	}
	return p.within(func() error {
		for !p.is("]") {
			item, err := p.value()
			if err != nil {
				return err
			}
			v.items = append(v.items, item)
		}
		return p.next()
	})
}

// object reads {name: value …}. No argument takes one, so that what is in it does
// not matter.
func (p *parser) object(v *value) error {
	v.kind = tree.Object
	if err := p.next(); err != nil {
		return err
	}
	return p.within(func() error {
		for !p.is("}") {
			if _, err := p.named("the name of a member"); err != nil {
				return err
			}
			if err := p.want(":"); err != nil {
				return err
			}
			if _, err := p.value(); err != nil {
				return err
			}
		}
		return p.next()
	})
}
