package patch

import (
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// JSON applies a JSON Patch (RFC 6902) to any document. All operations are
// applied, or none.
func JSON(doc *tree.Doc, patch []byte) (*tree.Doc, error) {
	p, err := tree.Parse(patch)
	if err != nil {
		return nil, &Error{Fault: Malformed, Op: -1, Msg: "the patch is no JSON", Err: err}
	}
	root := p.Root()
	switch {
	case root.Kind() != tree.Array:
		return nil, malformed(-1, "a JSON Patch is an array, this is %s", root.Kind())
	case root.Len() > maxOperations:
		return nil, malformed(-1, "more than %d operations", maxOperations)
	}
	ops := make([]operation, 0, root.Len())
	for n := range root.Items() {
		o, err := readOperation(n, len(ops))
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	work := newBudget(len(doc.Bytes()))
	for i := range ops {
		if doc, err = ops[i].apply(doc, &work); err != nil {
			return nil, at(err, i, ops[i].does+" "+ops[i].to)
		}
	}
	return doc, nil
}

// An operation is one of a JSON Patch (RFC 6902 §4).
type operation struct {
	does       string
	path, from []string
	to         string // the path as written
	value      tree.Node
}

func readOperation(n tree.Node, index int) (operation, error) {
	o := operation{does: n.Get("op").Text(), to: n.Get("path").Text(), value: n.Get("value")}
	var wantsValue, wantsFrom bool
	switch {
	case n.Kind() != tree.Object:
		return o, malformed(index, "%s where an object should be", n.Kind())
	case n.Get("op").Kind() != tree.String:
		return o, malformed(index, "no op")
	case n.Get("path").Kind() != tree.String:
		return o, malformed(index, "no path")
	}
	switch o.does {
	case "add", "replace", "test":
		wantsValue = true
	case "move", "copy":
		wantsFrom = true
	case "remove":
	default:
		return o, malformed(index, "the op %.60q is none of add, remove, replace, move, copy, test", o.does)
	}
	var ok bool
	switch {
	case wantsValue && !o.value.Ok():
		return o, malformed(index, "no value")
	case wantsFrom && n.Get("from").Kind() != tree.String:
		return o, malformed(index, "no from")
	}
	if o.path, ok = pointer(o.to); !ok {
		return o, malformed(index, "the path %.60q is no JSON Pointer", o.to)
	}
	if wantsFrom {
		if o.from, ok = pointer(n.Get("from").Text()); !ok {
			return o, malformed(index, "from %.60q is no JSON Pointer", n.Get("from").Text())
		}
	}
	return o, nil
}

// pointer takes a JSON Pointer apart (RFC 6901 §3).
func pointer(s string) (tokens []string, ok bool) {
	if s == "" {
		return nil, true
	}
	if s[0] != '/' || strings.Count(s, "/") > 2*tree.MaxDepth {
		return nil, false
	}
	for token := range strings.SplitSeq(s[1:], "/") {
		if strings.Count(token, "~") != strings.Count(token, "~0")+strings.Count(token, "~1") {
			return nil, false
		}
		tokens = append(tokens, strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~"))
	}
	return tokens, true
}

// index reads an index of an array (RFC 6901 §4); -1 when it is none.
func index(token string) int {
	if token == "" || len(token) > 9 || len(token) > 1 && token[0] == '0' {
		return -1
	}
	i := 0
	for _, c := range []byte(token) {
		if c < '0' || c > '9' {
			return -1
		}
		i = i*10 + int(c-'0')
	}
	return i
}

// find returns the value that a pointer means.
func find(n tree.Node, tokens []string) (tree.Node, error) {
	for k, token := range tokens {
		next := n.Get(token)
		if n.Kind() == tree.Array {
			next = n.At(index(token))
		}
		if !next.Ok() {
			return next, unfit("there is no /%s", strings.Join(tokens[:k+1], "/"))
		}
		n = next
	}
	return n, nil
}

func (o *operation) apply(doc *tree.Doc, work *budget) (*tree.Doc, error) {
	if err := work.spend(len(doc.Bytes()) / 8); err != nil {
		return nil, err
	}
	switch o.does {
	case "add":
		return add(doc, o.path, o.value.Raw(), work)
	case "remove":
		return remove(doc, o.path, work)
	case "replace":
		return replace(doc, o.path, o.value.Raw(), work)
	case "test":
		n, err := find(doc.Root(), o.path)
		if err == nil && !tree.Equal(n, o.value) {
			err = &Error{Fault: Untrue, Msg: "the value is another one"}
		}
		return doc, err
	}
	n, err := find(doc.Root(), o.from)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if o.does == "move" {
		if len(o.path) > len(o.from) && samePointer(o.path[:len(o.from)], o.from) {
			return nil, unfit("a value cannot be moved into itself")
		}
		if samePointer(o.path, o.from) {
			return doc, nil
		}
		if doc, err = remove(doc, o.from, work); err != nil {
			return nil, err
		}
	}
	return add(doc, o.path, n.Raw(), work)
}

func samePointer(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func add(doc *tree.Doc, path []string, raw []byte, work *budget) (*tree.Doc, error) {
	if len(path) == 0 {
		return work.parse(raw)
	}
	into, err := find(doc.Root(), path[:len(path)-1])
	if err != nil {
		return nil, err
	}
	last := path[len(path)-1]
	edit := tree.NewEdit(doc)
	switch into.Kind() {
	case tree.Object:
		edit.Put(into, last, raw)
	case tree.Array:
		i := index(last)
		if last == "-" {
			i = into.Len()
		}
		if i < 0 || i > into.Len() {
			return nil, unfit("an array of %d elements has no place there", into.Len())
		}
		edit.Insert(into, i, raw)
	default:
		return nil, unfit("nothing can be added to a %s", into.Kind())
	}
	return work.parse(edit.Bytes())
}

func remove(doc *tree.Doc, path []string, work *budget) (*tree.Doc, error) {
	n, err := find(doc.Root(), path)
	if err != nil {
		return nil, err
	}
	if len(path) == 0 {
		return nil, unfit("the whole document cannot be removed")
	}
	edit := tree.NewEdit(doc)
	edit.Remove(n)
	return work.parse(edit.Bytes())
}

func replace(doc *tree.Doc, path []string, raw []byte, work *budget) (*tree.Doc, error) {
	n, err := find(doc.Root(), path)
	if err != nil {
		return nil, err
	}
	if len(path) == 0 {
		return work.parse(raw)
	}
	edit := tree.NewEdit(doc)
	edit.Replace(n, raw)
	return work.parse(edit.Bytes())
}
