package path

import (
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// plainFunction returns a function by its name, and how many arguments it has.
func plainFunction(name string) (f plainFunc, least, most int) {
	for _, table := range [...]func(string) (plainFunc, int, int){subsetting, combining, documents, textFunction, mathFunction, clockFunction} {
		if f, least, most = table(name); f != nil {
			return f, least, most
		}
	}
	if kind := strings.TrimPrefix(name, "to"); kind != name && converter(kind) != nil {
		most := 0
		if kind == "Quantity" {
			most = 1
		}
		return to(converter(kind)), 0, most
	}
	return nil, 0, 0
}

// subsetting are the functions of N1 §5.3 and count().
func subsetting(name string) (f plainFunc, least, most int) {
	switch name {
	case "first":
		return func(_ *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			return append(out, in[:min(1, len(in))]...), nil
		}, 0, 0
	case "last":
		return func(_ *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			return append(out, in[max(0, len(in)-1):]...), nil
		}, 0, 0
	case "tail":
		return func(_ *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			return append(out, in[min(1, len(in)):]...), nil
		}, 0, 0
	case "single":
		return func(_ *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			if len(in) > 1 {
				return out, fail(n, "one value was expected, there are %d", len(in))
			}
			return append(out, in...), nil
		}, 0, 0
	case "skip":
		return func(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
			k, ok, err := singleInteger(n, args[0])
			if err != nil || !ok {
				return out, err
			}
			return append(out, in[min(max(k, 0), len(in)):]...), nil
		}, 1, 1
	case "take":
		return func(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
			k, ok, err := singleInteger(n, args[0])
			if err != nil || !ok {
				return out, err
			}
			return append(out, in[:min(max(k, 0), len(in))]...), nil
		}, 1, 1
	case "count":
		return func(_ *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			return append(out, Of(int64(len(in)))), nil
		}, 0, 0
	}
	return nil, 0, 0
}

// singleInteger returns the only item as an integer.
func singleInteger(n *node, in []Item) (int, bool, error) {
	i, ok, err := single(n, in)
	if !ok || err != nil {
		return 0, false, err
	}
	v, ok := i.integer()
	if !ok {
		return 0, false, fail(n, "%s() takes an integer, not %s", n.text, i.info().Name)
	}
	return int(v), true, nil
}

// combining are the functions that put collections together.
func combining(name string) (f plainFunc, least, most int) {
	switch name {
	case "union":
		return func(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
			return m.distinct(n, out, in, args[0])
		}, 1, 1
	case "combine":
		return func(_ *machine, _ *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
			return append(append(out, in...), args[0]...), nil
		}, 1, 2
	case "distinct":
		return func(m *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			return m.distinct(n, out, in)
		}, 0, 0
	case "intersect":
		return func(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
			kept, err := m.kept(n, in, args[0], true)
			if err != nil {
				return out, err
			}
			return m.distinct(n, out, kept)
		}, 1, 1
	case "exclude":
		return func(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
			kept, err := m.kept(n, in, args[0], false)
			return append(out, kept...), err
		}, 1, 1
	}
	return nil, 0, 0
}

// kept returns the items of a that are, or are not, in b.
func (m *machine) kept(n *node, a, b []Item, in bool) ([]Item, error) {
	var g group
	for i := range b {
		g.add(b[i])
	}
	var out []Item
	for i := range a {
		g.cost = 0
		if g.has(&a[i]) == in {
			out = append(out, a[i])
		}
		if err := m.spend(g.cost, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// documents are the functions that walk through documents.
func documents(name string) (f plainFunc, least, most int) {
	switch name {
	case "children":
		return func(m *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			for i := range in {
				out = m.children(&in[i], out)
			}
			return out, nil
		}, 0, 0
	case "descendants":
		return descendants, 0, 0
	case "extension":
		return extension, 1, 1
	case "getValue":
		return func(_ *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			if len(in) == 1 && in[0].hasValue() {
				if v := in[0].Value(); v != nil {
					out = append(out, Of(v))
				}
			}
			return out, nil
		}, 0, 0
	case "resolve":
		return resolve, 0, 0
	case "type":
		return func(_ *machine, _ *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
			for i := range in {
				out = append(out, Of(in[i].info()))
			}
			return out, nil
		}, 0, 0
	case "checkModifiers":
		return checkModifiers, 0, 20
	case "elementDefinition", "slice":
		return func(_ *machine, n *node, _ []Item, _ [][]Item, out []Item) ([]Item, error) {
			return out, fail(n, "%s() needs a profile that is being checked", n.text)
		}, 0, 2
	}
	return nil, 0, 0
}

// descendants appends children, and theirs.
func descendants(m *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
	from := len(out)
	for i := range in {
		out = m.children(&in[i], out)
	}
	for ; from < len(out); from++ {
		i := out[from]
		out = m.children(&i, out)
		if err := m.spend(1, n); err != nil {
			return out, err
		}
	}
	return out, nil
}

// extension appends the extensions with an address (fhirpath.html#functions).
func extension(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	url, ok, err := singleText(n, args[0])
	if err != nil || !ok {
		return out, err
	}
	for i := range in {
		holder, t := in[i].node, in[i].typ
		if holder.Kind() != tree.Object {
			holder = in[i].ext
		}
		for e := range holder.Get("extension").Items() {
			if e.Get("url").Text() == url {
				out = append(out, Item{node: e, typ: extensionType(t, in[i].set), set: in[i].set})
			}
		}
	}
	return out, nil
}

// checkModifiers fails when there are modifier extensions that are not named
// (fhirpath.html#functions).
func checkModifiers(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	for i := range in {
		for e := range in[i].node.Get("modifierExtension").Items() {
			url := e.Get("url").Text()
			known := slices.ContainsFunc(args, func(a []Item) bool { return len(a) == 1 && stringOf(a) == url })
			if !known {
				return out, fail(n, "there is a modifier extension %q", url)
			}
		}
	}
	return append(out, in...), nil
}
