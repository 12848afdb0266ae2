package path

import (
	"hash/maphash"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// equal is = for two items (N1 §6.1.1); none when that cannot be decided.
func equal(a, b *Item) tri {
	if a.node.Ok() && a.node == b.node {
		return yes
	}
	ka, kb := a.kind(), b.kind()
	switch {
	case ka == Complex || kb == Complex || ka == Amount || kb == Amount:
		return equalComplex(a, b)
	case ka == Text && kb == Text:
		s, _ := a.text()
		t, _ := b.text()
		return triOf(s == t)
	case isNumeric(ka) && isNumeric(kb):
		x, okA := a.decimal()
		y, okB := b.decimal()
		return triOf(okA && okB && x.Cmp(y) == 0)
	case isTemporal(ka) && isTemporal(kb):
		return equalTimes(a, b)
	case ka != kb:
		return no
	case ka == Boolean:
		return triOf(a.boolean() == b.boolean())
	case ka == None:
		return triOf(same(a.ext, b.ext))
	case ka == Info:
		return triOf(a.sys == b.sys)
	}
	return no
}

func isNumeric(k Kind) bool  { return k == Integer || k == Number }
func isTemporal(k Kind) bool { return k == Date || k == DateTime || k == Time }

func equalTimes(a, b *Item) tri {
	x, okA := a.temporal()
	y, okB := b.temporal()
	if !okA || !okB { // what is no date is a text
		return triOf(!okA && !okB && a.node.Text() == b.node.Text())
	}
	if (x.kind == Time) != (y.kind == Time) {
		return no
	}
	order, decided := x.compare(y)
	if !decided {
		return none
	}
	return triOf(order == 0)
}

// equalComplex compares quantities by value and everything else by its parts.
func equalComplex(a, b *Item) tri {
	x, okA := a.Quantity()
	y, okB := b.Quantity()
	if okA && okB {
		if x.calendarVague(y) {
			return none
		}
		order, ok := x.compare(y)
		return triOf(ok && order == 0)
	}
	if a.sys != nil || b.sys != nil {
		return no
	}
	return triOf(same(a.node, b.node))
}

// same compares two values of documents by their parts. Members may stand in
// any order; numbers are equal by value.
func same(a, b tree.Node) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case tree.Object:
		if a.Len() != b.Len() {
			return false
		}
		for name, v := range a.Members() {
			if !same(v, b.Get(name)) {
				return false
			}
		}
		return true
	case tree.Array:
		if a.Len() != b.Len() {
			return false
		}
		all := make([]tree.Node, 0, b.Len())
		for e := range b.Items() {
			all = append(all, e)
		}
		i := 0
		for e := range a.Items() {
			if !same(e, all[i]) {
				return false
			}
			i++
		}
		return true
	case tree.Number:
		x, okA := ParseDecimal(a.Text())
		y, okB := ParseDecimal(b.Text())
		return okA && okB && x.Cmp(y) == 0
	default:
		return a.Text() == b.Text()
	}
}

// equalAll is = for collections: the same items in the same order.
func equalAll(a, b []Item) tri {
	if len(a) == 0 || len(b) == 0 {
		return none
	}
	if len(a) != len(b) {
		return no
	}
	t := yes
	for i := range a {
		switch equal(&a[i], &b[i]) {
		case no:
			return no
		case none:
			t = none
		default:
		}
	}
	return t
}

// equivalent is ~ for two items (N1 §6.1.2).
func equivalent(a, b *Item) bool {
	ka, kb := a.kind(), b.kind()
	switch {
	case ka == Text && kb == Text:
		s, _ := a.text()
		t, _ := b.text()
		return s == t || strings.EqualFold(folded(s), folded(t))
	case isNumeric(ka) && isNumeric(kb):
		x, okA := a.decimal()
		y, okB := b.decimal()
		return okA && okB && equivalentDecimals(x, y)
	case ka == Complex && kb == Complex && !a.typ.Is("Quantity"):
		budget := maxAlike
		return alike(a.node, b.node, &budget)
	case ka == Complex || kb == Complex || ka == Amount || kb == Amount:
		x, okA := a.Quantity()
		y, okB := b.Quantity()
		return okA && okB && x.equivalent(y)
	}
	return equal(a, b) == yes
}

// folded writes all runs of white space as one space.
func folded(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

// maxAlike bounds how many parts are compared in any order; what is larger is
// compared in order.
const maxAlike = 100_000

// alike is ~ for the parts of two elements: the order in arrays does not
// matter.
func alike(a, b tree.Node, budget *int) bool {
	if *budget--; *budget < 0 {
		return same(a, b)
	}
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case tree.Object:
		for name, v := range a.Members() {
			if name != "id" && !alike(v, b.Get(name), budget) {
				return false
			}
		}
		return true
	case tree.Array:
		var left []tree.Node
		for e := range b.Items() {
			left = append(left, e)
		}
		for e := range a.Items() {
			i := slices.IndexFunc(left, func(o tree.Node) bool { return alike(e, o, budget) })
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return true
	case tree.String:
		return strings.EqualFold(folded(a.Text()), folded(b.Text()))
	default:
		return same(a, b)
	}
}

// equivalentAll is ~ for collections: the same items in any order.
func equivalentAll(m *machine, at *node, a, b []Item) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	used := make([]bool, len(b))
next:
	for i := range a {
		if err := m.spend(len(b), at); err != nil {
			return false, err
		}
		for j := range b {
			if !used[j] && equivalent(&a[i], &b[j]) {
				used[j] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// A group finds equal items quickly: by hash, when there are many.
type group struct {
	seed  maphash.Seed
	by    map[uint64][]int32
	items []Item
	cost  int // comparisons so far
}

const fewItems = 12

// has tells whether an equal item is in the group.
func (g *group) has(i *Item) bool {
	if g.by == nil {
		g.cost += len(g.items)
		return has(g.items, i)
	}
	same := g.by[g.hash(i)]
	g.cost += len(same) + 1
	for _, j := range same {
		if equal(&g.items[j], i) == yes {
			return true
		}
	}
	return false
}

// add puts an item into the group.
func (g *group) add(i Item) {
	g.items = append(g.items, i)
	if g.by != nil {
		h := g.hash(&i)
		g.by[h] = append(g.by[h], int32(len(g.items)-1))
		return
	}
	if len(g.items) > fewItems {
		g.seed, g.by = maphash.MakeSeed(), map[uint64][]int32{}
		for j := range g.items {
			h := g.hash(&g.items[j])
			g.by[h] = append(g.by[h], int32(j))
		}
	}
}

// hash is the same for items that are equal.
func (g *group) hash(i *Item) uint64 {
	switch k := i.kind(); k {
	case Text:
		s, _ := i.text()
		return maphash.String(g.seed, s)
	case Integer, Number:
		d, _ := i.decimal()
		return maphash.String(g.seed, "n"+d.trimmed(0).String())
	case Date, DateTime, Time:
		t, _ := i.temporal()
		t = t.utc()
		t.offset, t.digits, t.hourAlone = 0, 0, false
		if t.kind != Time {
			t.kind = DateTime
		}
		return maphash.Comparable(g.seed, t)
	case Amount:
		return 1
	case Complex:
		if _, ok := i.Quantity(); ok {
			return 1 // units may differ
		}
		return g.hashNode(i.node)
	default:
		return uint64(k)
	}
}

// hashNode does not depend on the order of members nor on how numbers are
// written.
func (g *group) hashNode(n tree.Node) uint64 {
	g.cost++
	switch n.Kind() {
	case tree.Object:
		sum := uint64(n.Len())
		for name, v := range n.Members() {
			sum += maphash.String(g.seed, name) * (g.hashNode(v) | 1)
		}
		return sum
	case tree.Array:
		sum := uint64(7)
		for e := range n.Items() {
			sum = sum*31 + g.hashNode(e)
		}
		return sum
	case tree.Number:
		return 2
	default:
		return maphash.String(g.seed, n.Text())
	}
}
