package schema

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// The tables of the pack are lines of fields parted by tabs. Lists inside a
// field are parted by the unit separator.
const unit = "\x1f"

type line struct {
	rest string
}

func (l *line) next() string {
	s, rest, _ := strings.Cut(l.rest, "\t")
	l.rest = rest
	return s
}

func (l *line) list() []string {
	s := l.next()
	if s == "" {
		return nil
	}
	return strings.Split(s, unit)
}

func (l *line) num() int {
	n, err := strconv.Atoi(l.next())
	if err != nil {
		return 0
	}
	return n
}

func lines(table string) iter.Seq2[string, line] {
	return func(yield func(string, line) bool) {
		for len(table) > 0 {
			var s string
			s, table, _ = strings.Cut(table, "\n")
			kind, rest, _ := strings.Cut(s, "\t")
			if kind != "" && !yield(kind, line{rest}) {
				return
			}
		}
	}
}

// typeReader turns the table of types into Types. Types are named before they
// are defined, so each is made when it is first mentioned.
type typeReader struct {
	types      map[string]*Type
	known      map[string]bool
	invariants []*Invariant
	fields     []Field
	lists      map[string][]*Type
	bindings   map[string]*Binding
}

func readTypes(table string) (map[string]*Type, error) {
	r := typeReader{
		types: make(map[string]*Type, 1024), known: make(map[string]bool, 1024),
		lists: map[string][]*Type{}, bindings: map[string]*Binding{},
	}
	var t *Type
	for kind, l := range lines(table) {
		switch kind {
		case "I":
			i := &Invariant{Key: l.next(), Warning: l.next() == "w"}
			i.Expression, i.Human = l.next(), l.next()
			r.invariants = append(r.invariants, i)
		case "T":
			t = r.head(&l)
		case "E":
			if t == nil {
				return nil, fmt.Errorf("element before its type")
			}
			t.Fields = append(t.Fields, r.field(t, &l))
		default:
			return nil, fmt.Errorf("line of unknown kind %q", kind)
		}
	}
	for name, t := range r.types {
		if !r.known[name] {
			return nil, fmt.Errorf("type %s is mentioned and not defined", name)
		}
		t.index()
	}
	return r.types, nil
}

func (r *typeReader) named(name string) *Type {
	t := r.types[name]
	if t == nil {
		t = &Type{Name: name}
		r.types[name] = t
	}
	return t
}

func (r *typeReader) head(l *line) *Type {
	t := r.named(l.next())
	r.known[t.Name] = true
	t.Kind = Kind(l.num())
	if base := l.next(); base != "" {
		t.Base = r.named(base)
	}
	t.Abstract = l.next() == "a"
	t.URL, t.Pattern = l.next(), l.next()
	t.Invariants = r.those(l.next())
	t.Fields = make([]*Field, 0, l.num())
	return t
}

func (r *typeReader) those(numbers string) []*Invariant {
	if numbers == "" {
		return nil
	}
	out := make([]*Invariant, 0, 1+strings.Count(numbers, ","))
	for n := range strings.SplitSeq(numbers, ",") {
		if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < len(r.invariants) {
			out = append(out, r.invariants[i])
		}
	}
	return out
}

func (r *typeReader) field(t *Type, l *line) *Field {
	if len(r.fields) == cap(r.fields) {
		r.fields = make([]Field, 0, 512)
	}
	r.fields = r.fields[:len(r.fields)+1]
	f := &r.fields[len(r.fields)-1]
	f.Name = l.next()
	for _, c := range l.next() {
		switch c {
		case 'c':
			f.Choice = true
		case 's':
			f.Summary = true
		case 'm':
			f.Modifier = true
		case 'x':
			f.Attribute = true
		}
	}
	f.Path = t.Name + "." + f.Name
	if f.Choice {
		f.Path += "[x]"
	}
	f.Min, f.Max = l.num(), l.num()
	f.Types = r.list(l.next())
	f.Targets = l.list()
	for _, p := range l.list() {
		of, url, _ := strings.Cut(p, " ")
		f.Profiles = append(f.Profiles, TypeProfile{of, url})
	}
	f.Binding = r.binding(l.next())
	f.Invariants = r.those(l.next())
	return f
}

func (r *typeReader) list(names string) []*Type {
	if names == "" {
		return nil
	}
	ts, ok := r.lists[names]
	if !ok {
		for n := range strings.SplitSeq(names, unit) {
			ts = append(ts, r.named(n))
		}
		r.lists[names] = ts
	}
	return ts
}

func (r *typeReader) binding(s string) *Binding {
	if s == "" {
		return nil
	}
	b := r.bindings[s]
	if b == nil {
		parts := strings.SplitN(s, unit, 3)
		b = &Binding{Strength: Strength(parts[0])}
		if len(parts) == 3 {
			b.ValueSet, b.Max = parts[1], parts[2]
		}
		r.bindings[s] = b
	}
	return b
}

func readParams(table string) ([]*Param, error) {
	out := make([]*Param, 0, 1400)
	for kind, l := range lines(table) {
		if kind != "P" {
			return nil, fmt.Errorf("line of unknown kind %q", kind)
		}
		p := &Param{Code: l.next(), Kind: l.next(), URL: l.next(), Name: l.next()}
		p.Bases, p.Targets, p.Comparators, p.Modifiers = l.list(), l.list(), l.list(), l.list()
		p.Usage, p.Expression = l.next(), l.next()
		for _, c := range l.list() {
			def, expr, _ := strings.Cut(c, " ")
			p.Components = append(p.Components, Component{Definition: def, Expression: expr})
		}
		out = append(out, p)
	}
	return out, nil
}

// readCompartments gives compartment → resource → codes; a resource that is
// itself the compartment has the code {def}.
func readCompartments(table string) (map[string]map[string][]string, error) {
	out := map[string]map[string][]string{}
	for kind, l := range lines(table) {
		if kind != "C" {
			return nil, fmt.Errorf("line of unknown kind %q", kind)
		}
		name, resource := l.next(), l.next()
		if out[name] == nil {
			out[name] = map[string][]string{}
		}
		out[name][resource] = l.list()
	}
	return out, nil
}
