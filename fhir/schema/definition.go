package schema

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// A Definition is a conformance resource: StructureDefinition, ValueSet,
// CodeSystem, ConceptMap, SearchParameter, OperationDefinition, …
type Definition struct {
	Kind    string // resource type
	URL     string
	Version string
	ID      string
	Name    string
	Of      string // type that a StructureDefinition is about
	Derived string // its derivation: specialization, constraint
	Package string // name#version of the package, "" for the specification

	text func() (string, error)

	once  sync.Once
	value any // what has been read from it
	err   error
}

// JSON returns the resource. That of the specification holds facts only: no
// narrative, no descriptions.
func (d *Definition) JSON() ([]byte, error) {
	s, err := d.text()
	return []byte(s), err
}

// read makes the value of a definition once.
func read[T any](d *Definition, parse func(string) (T, error)) (T, error) {
	d.once.Do(func() {
		s, err := d.text()
		if err != nil {
			d.err = err
			return
		}
		v, err := parse(s)
		d.value, d.err = v, err
	})
	v, _ := d.value.(T)
	return v, d.err
}

// library finds definitions by kind and address.
type library struct {
	by map[string][]*Definition // kind + "\n" + url, all versions
}

func (l *library) add(d *Definition) {
	k := d.Kind + "\n" + d.URL
	l.by[k] = append(l.by[k], d)
}

// find takes a canonical: an address, perhaps with |version. Without a version
// it gives the newest (references.html#canonical).
func (l *library) find(kind, canonical string) *Definition {
	canonical, _, _ = strings.Cut(canonical, "#")
	url, version, _ := strings.Cut(canonical, "|")
	var best *Definition
	for _, d := range l.by[kind+"\n"+url] {
		if version != "" && !sameVersion(d.Version, version) {
			continue
		}
		if best == nil || NewerVersion(d.Version, best.Version) {
			best = d
		}
	}
	return best
}

// sameVersion lets |4.0 mean 4.0.1.
func sameVersion(have, want string) bool {
	return have == want || strings.HasPrefix(have, want+".")
}

// NewerVersion says whether a version of a definition is newer than another; they
// are compared number by number.
func NewerVersion(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if as[i] == bs[i] {
			continue
		}
		if len(as[i]) != len(bs[i]) && digits(as[i]) && digits(bs[i]) {
			return len(as[i]) > len(bs[i])
		}
		return as[i] > bs[i]
	}
	return len(as) > len(bs)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (l *library) all(kind string) []*Definition {
	var out []*Definition
	for k, ds := range l.by {
		if strings.HasPrefix(k, kind+"\n") {
			out = append(out, ds...)
		}
	}
	slices.SortFunc(out, func(a, b *Definition) int {
		return cmp.Or(strings.Compare(a.URL, b.URL), strings.Compare(a.Version, b.Version))
	})
	return out
}
