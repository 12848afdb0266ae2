package search

import (
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A branch is one path of a resource type together with how its values are
// read. Parameters that read the same path share it.
type branch struct {
	id        int
	kind      Kind
	key       string // type, path and restrictions
	hash      uint64 // of kind and key
	plainSpan uint64 // parameter of spans of numbers as written
	ends      []end
	way       way
	exact     bool // the case of tokens counts
	words     bool // words of strings can be found by themselves
	// bare is the branch without conditions, by which values are found in the
	// index; often the branch itself.
	bare *branch
	// indexed says whether the keys of a resource hold the values.
	indexed bool
	// ready says that the index holds them of all resources: it can be asked.
	ready  bool
	single bool       // there is at most one value in a resource
	expr   *path.Expr // instead of a path
}

// An end is a type that values of a branch may have.
type end struct {
	of    *schema.Type
	form  form
	field *schema.Field
}

// A use is one alternative of a parameter: a branch and which of its values
// count.
type use struct {
	*branch
	target string // only references to this type
}

// splits are the parts of names and addresses that a string parameter looks at
// (search.html#string).
func splits(f form) []string {
	switch f {
	case asHumanName:
		return []string{"family", "given", "text", "prefix", "suffix"}
	case asAddress:
		return []string{"line", "city", "district", "state", "postalCode", "country", "text"}
	default:
		return nil
	}
}

// A cursor is an element on the way.
type cursor struct {
	at    *schema.Type
	field *schema.Field
}

// resolve follows the steps through the definitions and returns the types at
// the end, restricted ones left out, and whether anything was left out that a
// parameter of the kind could read.
func resolve(base *schema.Type, w *way, k Kind) (ends []end, restricted bool) {
	at := []cursor{{at: base}}
	for _, s := range w.steps {
		var next []cursor
		for _, c := range at {
			f, types := element(c.at, s.name)
			for _, t := range types {
				if s.as == "" || fits(t, s.as) {
					next = append(next, cursor{t, f})
				}
			}
		}
		at = next
	}
	for _, c := range at {
		form := formOf(k, c.at)
		if form == asNothing {
			continue
		}
		if len(w.as) > 0 && !slices.ContainsFunc(w.as, func(t string) bool { return fits(c.at, t) }) {
			restricted = true
			continue
		}
		ends = append(ends, end{c.at, form, c.field})
	}
	return ends, restricted
}

// element finds an element and its types. Some parameters name a choice of
// types as JSON does, valueDateTime: then it is that type alone.
func element(of *schema.Type, name string) (*schema.Field, []*schema.Type) {
	if f := of.Named(name); f != nil {
		return f, f.Types
	}
	if f, t := of.Field(name); f != nil && t != nil {
		return f, []*schema.Type{t}
	}
	return nil, nil
}

// fits says whether a type is the one that an expression names. R4 writes
// DateTime for dateTime in places.
func fits(t *schema.Type, name string) bool {
	return strings.EqualFold(t.Name, name) || t.Is(name)
}

// key names a branch.
func (w *way) key(base string, restricted bool) string {
	k := w.path(base)
	if restricted {
		as := slices.Clone(w.as)
		slices.Sort(as)
		k += "(" + strings.Join(slices.Compact(as), ",") + ")"
	}
	return k
}

// merge puts ways to the same elements together: a choice of types is often
// written as one alternative for each.
func merge(ways []way) []way {
	var out []way
	for _, w := range ways {
		i := slices.IndexFunc(out, func(o way) bool {
			return o.root == w.root && o.of == w.of && slices.Equal(o.steps, w.steps)
		})
		switch {
		case i < 0:
			w.as = slices.Clone(w.as)
			out = append(out, w)
		case len(out[i].as) == 0 || len(w.as) == 0:
			out[i].as = nil
		default:
			out[i].as = append(out[i].as, w.as...)
		}
	}
	return out
}
