package path

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// boolFunction returns a function that is true or false by nature, and how many
// arguments it has.
func boolFunction(name string) (f boolFunc, least, most int) {
	switch name {
	case "exists":
		return func(_ *machine, _ *node, in []Item, _ [][]Item) (tri, error) { return triOf(len(in) > 0), nil }, 0, 0
	case "empty":
		return func(_ *machine, _ *node, in []Item, _ [][]Item) (tri, error) { return triOf(len(in) == 0), nil }, 0, 0
	case "hasValue":
		return hasValue, 0, 0
	case "allTrue":
		return allAre(no, yes, no), 0, 0
	case "anyTrue":
		return allAre(yes, no, yes), 0, 0
	case "allFalse":
		return allAre(yes, yes, no), 0, 0
	case "anyFalse":
		return allAre(no, no, yes), 0, 0
	case "isDistinct":
		return isDistinct, 0, 0
	case "subsetOf":
		return func(m *machine, n *node, in []Item, args [][]Item) (tri, error) { return m.within(n, in, args[0]) }, 1, 1
	case "supersetOf":
		return func(m *machine, n *node, in []Item, args [][]Item) (tri, error) { return m.within(n, args[0], in) }, 1, 1
	case "startsWith":
		return textTest(strings.HasPrefix), 1, 1
	case "endsWith":
		return textTest(strings.HasSuffix), 1, 1
	case "contains":
		return textTest(strings.Contains), 1, 1
	case "matches", "matchesFull":
		return matches, 1, 1
	case "comparable":
		return areComparable, 1, 1
	case "conformsTo":
		return conformsTo, 1, 1
	case "memberOf":
		return memberOf, 1, 1
	case "subsumes", "subsumedBy":
		return subsumes, 1, 1
	case "htmlChecks", "htmlChecks2":
		return htmlChecks, 0, 0
	}
	if kind := strings.TrimPrefix(name, "convertsTo"); kind != name && converter(kind) != nil {
		return convertsTo(converter(kind)), 0, 1
	}
	return nil, 0, 0
}

func hasValue(_ *machine, _ *node, in []Item, _ [][]Item) (tri, error) {
	return triOf(len(in) == 1 && in[0].hasValue()), nil
}

// allAre makes allTrue() and its like: the answer is otherwise unless an item
// is the one that decides (N1 §5.1.4-7).
func allAre(decider, otherwise, decided tri) boolFunc {
	return func(_ *machine, n *node, in []Item, _ [][]Item) (tri, error) {
		answer := otherwise
		for i := range in {
			if in[i].kind() != Boolean {
				return none, fail(n, "%s() looks at booleans only", n.text)
			}
			if in[i].boolean() == decider {
				answer = decided
			}
		}
		return answer, nil
	}
}

func isDistinct(m *machine, n *node, in []Item, _ [][]Item) (tri, error) {
	out, err := m.distinct(n, m.buffer(), in)
	t := triOf(len(out) == len(in))
	m.release(out)
	return t, err
}

// within tells whether each item of a is in b.
func (m *machine) within(n *node, a, b []Item) (tri, error) {
	var g group
	for i := range b {
		g.add(b[i])
	}
	for i := range a {
		g.cost = 0
		if !g.has(&a[i]) {
			return no, nil
		}
		if err := m.spend(g.cost, n); err != nil {
			return none, err
		}
	}
	return yes, nil
}

// single returns the only item, ok is false when there is none.
func single(n *node, in []Item) (*Item, bool, error) {
	switch len(in) {
	case 0:
		return nil, false, nil
	case 1:
		return &in[0], true, nil
	}
	return nil, false, fail(n, "%s() looks at one value, there are %d", n.text, len(in))
}

// singleText returns the only item as a text.
func singleText(n *node, in []Item) (string, bool, error) {
	i, ok, err := single(n, in)
	if !ok || err != nil {
		return "", false, err
	}
	if s, ok := i.text(); ok {
		return s, true, nil
	}
	if i.kind() == None {
		return "", false, nil
	}
	return "", false, fail(n, "%s() looks at a text, not at %s", n.text, i.info().Name)
}

func textTest(test func(s, part string) bool) boolFunc {
	return func(_ *machine, n *node, in []Item, args [][]Item) (tri, error) {
		s, okA, err := singleText(n, in)
		if err != nil {
			return none, err
		}
		part, okB, err := singleText(n, args[0])
		if err != nil || !okA || !okB {
			return none, err
		}
		return triOf(test(s, part)), nil
	}
}

func areComparable(_ *machine, n *node, in []Item, args [][]Item) (tri, error) {
	a, okA, err := single(n, in)
	if err != nil {
		return none, err
	}
	b, okB, err := single(n, args[0])
	if err != nil || !okA || !okB {
		return none, err
	}
	q, okA := quantityOf(a)
	r, okB := quantityOf(b)
	return triOf(okA && okB && q.comparable(r)), nil
}

const structures = "http://hl7.org/fhir/StructureDefinition/"

// conformsTo asks who knows profiles. Without them types are profiles, too.
func conformsTo(m *machine, n *node, in []Item, args [][]Item) (tri, error) {
	url, ok, err := singleText(n, args[0])
	if err != nil || !ok {
		return none, err
	}
	i, ok, err := single(n, in)
	if err != nil || !ok {
		return none, err
	}
	if m.ctx.ConformsTo != nil {
		is, err := m.ctx.ConformsTo(*i, url)
		if err != nil {
			return none, &EvalError{n.pos, err.Error(), err}
		}
		return triOf(is), nil
	}
	name, ok := strings.CutPrefix(url, structures)
	if !ok || m.set == nil || m.set.Type(name) == nil {
		return none, fail(n, "there is no profile %q", url)
	}
	return triOf(i.typ != nil && i.typ.Is(name)), nil
}

func memberOf(m *machine, n *node, in []Item, args [][]Item) (tri, error) {
	i, ok, err := single(n, in)
	if err != nil || !ok {
		return none, err
	}
	url, ok, err := singleText(n, args[0])
	if err != nil || !ok || m.ctx.MemberOf == nil {
		return none, err
	}
	if is, known := m.ctx.MemberOf(*i, url); known {
		return triOf(is), nil
	}
	return none, nil
}

func subsumes(m *machine, n *node, in []Item, args [][]Item) (tri, error) {
	a, ok, err := single(n, in)
	if err != nil || !ok {
		return none, err
	}
	b, ok, err := single(n, args[0])
	if err != nil || !ok || m.ctx.Subsumes == nil {
		return none, err
	}
	if n.text == "subsumedBy" {
		a, b = b, a
	}
	if is, known := m.ctx.Subsumes(*a, *b); known {
		return triOf(is), nil
	}
	return none, nil
}

func htmlChecks(m *machine, n *node, in []Item, _ [][]Item) (tri, error) {
	i, ok, err := single(n, in)
	if err != nil || !ok {
		return none, err
	}
	return triOf(m.ctx.HTML == nil || i.node.Kind() == tree.String && m.ctx.HTML(i.node.Text())), nil
}
