package search

import (
	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// typicalValues is how many values most resources have.
const typicalValues = 24

// maxSteps bounds the evaluation of a parameter that is no plain path.
const maxSteps = 100_000

// maxValues bounds the values of one resource.
const maxValues = 100_000

// Extract finds the values of a resource. A resource of an unknown type has
// none.
func (e *Engine) Extract(root tree.Node) *Values {
	v := &Values{}
	e.ExtractInto(v, root)
	return v
}

// ExtractInto is Extract into memory that is used again: what v held before is
// gone.
func (e *Engine) ExtractInto(v *Values, root tree.Node) {
	m := e.model(root.Get("resourceType").Text())
	e.begin(v, m, root)
	if m == nil {
		return
	}
	r := reader{e: e, root: root, all: v.all}
	m.trie.walk(root, r.found)
	r.expressions(m.exprs, root)
	v.all = r.all
}

func (e *Engine) begin(v *Values, m *model, root tree.Node) {
	v.engine, v.model, v.root, v.shared = e, m, root, tree.Node{}
	v.all = v.all[:0]
	clear(v.folded)
	if v.all == nil {
		v.all = make([]Value, 0, typicalValues)
	}
}

// A reader gathers values.
type reader struct {
	e    *Engine
	root tree.Node // of the document
	all  []Value
}

// add appends a value of a leaf.
func (r *reader) add(n tree.Node, l *leaf) *Value {
	if len(r.all) >= maxValues {
		return &Value{}
	}
	r.all = append(r.all, Value{branch: l.branch, form: l.form, Node: n})
	return &r.all[len(r.all)-1]
}

// found reads the values of one element.
func (r *reader) found(n tree.Node, l *leaf) {
	switch l.form {
	case asCoding, asConcept, asIdentifier, asContact, asMoney, asCode, asPrimitive, asText:
		r.token(n, l)
	case asString, asURI:
		r.add(n, l).Code = n.Text()
	case asReference, asCanonical, asInline, asAttachment:
		r.reference(n, l)
	case asDate, asPeriod, asTiming:
		r.date(n, l)
	case asNumber, asQuantity, asRange, asSampled:
		r.number(n, l)
	case asPosition:
		r.add(n, l)
	case asNothing, asHumanName, asAddress: // names and addresses are read in parts
	}
}

func (r *reader) token(n tree.Node, l *leaf) {
	switch l.form {
	case asConcept:
		some := false
		for c := range n.Get("coding").Items() {
			some = true
			r.coding(n, c, l)
		}
		if !some {
			r.add(n, l)
		}
	case asCoding:
		r.coding(n, n, l)
	case asIdentifier:
		v := r.add(n, l)
		v.System, v.Code = n.Get("system").Text(), n.Get("value").Text()
	case asContact:
		r.add(n, l).Code = n.Get("value").Text()
	case asMoney:
		v := r.add(n, l)
		v.Least = n.Get("value").Text()
		v.Most = v.Least
		v.System, v.Code = "urn:iso:std:iso:4217", n.Get("currency").Text()
	default:
		r.add(n, l).Code = n.Text()
	}
}

func (r *reader) coding(n, c tree.Node, l *leaf) {
	v := r.add(n, l)
	for name, m := range c.Members() {
		switch name {
		case "system":
			v.System = m.Text()
		case "code":
			v.Code = m.Text()
		}
	}
}

// expressions evaluates the parameters that are no plain paths. One that fails
// gives no value: its resource is not found by it.
func (r *reader) expressions(branches []*branch, root tree.Node) {
	for _, b := range branches {
		ctx := &path.Context{Steps: maxSteps}
		got, err := b.expr.Eval(ctx, path.ItemOf(r.e.c.Schema, root))
		if err != nil {
			continue
		}
		for _, item := range got {
			r.item(item, b)
		}
	}
}

// item reads what FHIRPath gave: an element, or a value that was computed.
func (r *reader) item(item path.Item, b *branch) {
	n, t := item.Node(), item.Type()
	if n.Ok() && t != nil {
		r.found(n, &leaf{branch: b, form: formOf(b.kind, t)})
		return
	}
	text := item.String()
	v := r.add(n, &leaf{branch: b})
	switch b.kind {
	case Token:
		v.Code, v.form = text, asText
	case Date:
		v.form = asDate
		v.Lo, v.Hi = ever, forever
		if lo, hi, err := dateSpan(text); err == nil {
			v.Lo, v.Hi = lo, hi
		}
	case Number, Quantity:
		v.Least, v.Most, v.form = text, text, asNumber
	default:
		v.Code, v.form = text, asString
	}
}
