package patch

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/markup"
)

// XML applies an XML Patch (RFC 5261) to any document. All operations are
// applied, or none.
func XML(doc, patch string) (string, error) {
	p, err := markup.Parse(patch)
	if err != nil {
		return "", &Error{Fault: Malformed, Op: -1, Msg: "the patch is no XML", Err: err}
	}
	work := newBudget(len(doc))
	op := 0
	for n := range p.Root().Elements() {
		if op == maxOperations {
			return "", malformed(-1, "more than %d operations", maxOperations)
		}
		if doc, err = applyXML(doc, n, &work); err != nil {
			sel, _ := n.Attr("sel")
			return "", at(err, op, n.Name()+" "+sel)
		}
		op++
	}
	if op == 0 {
		return "", malformed(-1, "the patch has no operation")
	}
	if _, err := markup.Parse(doc); err != nil {
		return "", &Error{Fault: Unfit, Op: op - 1, Msg: "what the patch makes is no XML", Err: err}
	}
	return doc, nil
}

func applyXML(src string, op markup.Node, work *budget) (string, error) {
	if err := work.spend(2 * len(src)); err != nil {
		return "", err
	}
	doc, err := markup.Parse(src)
	if err != nil {
		return "", err
	}
	sel, ok := op.Attr("sel")
	if !ok {
		return "", malformed(0, "no sel")
	}
	s, err := readSelector(sel, func(prefix string) (string, bool) { return declared(op, prefix) })
	if err != nil {
		return "", err
	}
	t, err := s.one(doc)
	if err != nil {
		return "", err
	}
	switch op.Name() {
	case "add":
		return addXML(doc, t, op)
	case "remove":
		return removeXML(doc, t, op)
	case "replace":
		return replaceXML(doc, t, op)
	default:
		return "", malformed(0, "%.60q is none of add, remove, replace", op.Name())
	}
}

// declared returns what a prefix means in an element of the patch.
func declared(n markup.Node, prefix string) (string, bool) {
	for ; n.Ok(); n = n.Parent() {
		for p, space := range n.Declarations() {
			if p == prefix {
				return space, true
			}
		}
	}
	return usual(prefix)
}

// splice puts a text in the place of a piece of a document.
func splice(doc *markup.Doc, off, end int, text string) string {
	return doc.Source()[:off] + text + doc.Source()[end:]
}

// addXML is RFC 5261 §4.3.
func addXML(doc *markup.Doc, t target, op markup.Node) (string, error) {
	kind, _ := op.Attr("type")
	pos, _ := op.Attr("pos")
	switch {
	case t.attr != nil || t.isDecl:
		return "", unfit("nothing can be added to an attribute")
	case kind != "":
		return addAttribute(doc, t.node, kind, op)
	}
	before, after := pos == "before", pos == "after"
	parent := t.node
	if before || after {
		parent = t.node.Parent()
	}
	switch {
	case !parent.Ok():
		return "", unfit("there is one element at the root")
	case parent.Kind() != markup.Element:
		return "", unfit("nothing can be added to what is no element")
	}
	text := inserted(op, parent)
	off, end := t.node.Span()
	in, inEnd := parent.Inner()
	switch pos {
	case "before":
		return splice(doc, off, off, text), nil
	case "after":
		return splice(doc, end, end, text), nil
	case "", "prepend":
	default:
		return "", malformed(0, "the pos %.60q is none of prepend, before, after", pos)
	}
	if in == end { // written as one tag
		tag := doc.Source()[off : end-2]
		return splice(doc, off, end, tag+">"+text+"</"+qualified(parent)+">"), nil
	}
	if pos == "prepend" {
		return splice(doc, in, in, text), nil
	}
	return splice(doc, inEnd, inEnd, text), nil
}

func qualified(n markup.Node) string {
	if n.Prefix() != "" {
		return n.Prefix() + ":" + n.Name()
	}
	return n.Name()
}

// addAttribute adds @name or namespace::prefix to an element.
func addAttribute(doc *markup.Doc, n markup.Node, kind string, op markup.Node) (string, error) {
	if n.Kind() != markup.Element {
		return "", unfit("only an element has attributes")
	}
	name, isAttr := strings.CutPrefix(kind, "@")
	if !isAttr {
		prefix, isDecl := strings.CutPrefix(kind, "namespace::")
		if !isDecl {
			return "", malformed(0, "the type %.60q is neither @name nor namespace::prefix", kind)
		}
		name = "xmlns:" + prefix
	}
	if strings.ContainsAny(name, " \t\r\n<>=/'\"&") || name == "" {
		return "", malformed(0, "the type %.60q is no name", kind)
	}
	b, _ := markup.AppendValue([]byte(" "+name+"="), op.Text())
	off, _ := n.Span()
	at := off + 1 + len(qualified(n))
	return splice(doc, at, at, string(b)), nil
}

// removeXML is RFC 5261 §4.5.
func removeXML(doc *markup.Doc, t target, op markup.Node) (string, error) {
	switch {
	case t.attr != nil:
		return splice(doc, t.attr.Off-1, t.attr.End, ""), nil
	case t.isDecl:
		return "", unfit("declarations of namespaces are not removed")
	case !t.node.Parent().Ok():
		return "", unfit("the document's element cannot be removed")
	}
	off, end := t.node.Span()
	ws, _ := op.Attr("ws")
	var last markup.Node
	for c := range t.node.Parent().Children() {
		from, to := c.Span()
		if to == off && c.Blank() && (ws == "before" || ws == "both") {
			last = c
		}
		if from == end && c.Blank() && (ws == "after" || ws == "both") {
			end = to
			break
		}
	}
	if last.Ok() {
		off, _ = last.Span()
	}
	return splice(doc, off, end, ""), nil
}

// replaceXML is RFC 5261 §4.4.
func replaceXML(doc *markup.Doc, t target, op markup.Node) (string, error) {
	switch {
	case t.attr != nil:
		b, _ := markup.AppendValue(nil, op.Text())
		return splice(doc, t.attr.ValueOff-1, t.attr.End, string(b)), nil
	case t.isDecl:
		return "", unfit("declarations of namespaces are not replaced")
	}
	off, end := t.node.Span()
	if t.node.Kind() == markup.Text {
		b, _ := markup.AppendText(nil, op.Text())
		return splice(doc, off, end, string(b)), nil
	}
	one := 0
	for c := range op.Children() {
		if c.Kind() == t.node.Kind() {
			one++
		} else if !c.Blank() {
			return "", unfit("a node is replaced by one of its kind")
		}
	}
	if one != 1 {
		return "", unfit("a node is replaced by one of its kind, not by %d", one)
	}
	text := inserted(op, t.node.Parent())
	return splice(doc, off, end, strings.TrimSpace(text)), nil
}

// inserted writes the children of an operation so that they mean the same
// within an element of the document.
func inserted(op, into markup.Node) string {
	space := ""
	for n := into; n.Ok(); n = n.Parent() {
		found := false
		for prefix, s := range n.Declarations() {
			if prefix == "" {
				space, found = s, true
			}
		}
		if found {
			break
		}
	}
	var b []byte
	for c := range op.Children() {
		b = appendNode(b, c, space)
	}
	return string(b)
}

// appendNode writes a node of the patch without prefixes of elements, space
// being the default namespace around it.
func appendNode(b []byte, n markup.Node, space string) []byte {
	if n.Kind() == markup.Text {
		b, _ = markup.AppendText(b, n.Text())
		return b
	}
	if n.Kind() != markup.Element {
		return append(b, n.Raw()...)
	}
	start := len(b)
	b = append(append(b, '<'), n.Name()...)
	if n.Space() != space {
		b, _ = markup.AppendValue(append(b, " xmlns="...), n.Space())
	}
	for a := range n.Attrs() {
		name := a.Name
		if a.Prefix != "" {
			name = a.Prefix + ":" + a.Name
			if a.Prefix != "xml" && !strings.Contains(string(b[start:]), " xmlns:"+a.Prefix+"=") {
				b, _ = markup.AppendValue(append(b, " xmlns:"+a.Prefix+"="...), a.Space)
			}
		}
		b, _ = markup.AppendValue(append(b, " "+name+"="...), a.Value())
	}
	inner := len(b)
	b = append(b, '>')
	for c := range n.Children() {
		b = appendNode(b, c, n.Space())
	}
	if len(b) == inner+1 {
		return append(b[:inner], "/>"...)
	}
	return append(append(append(b, "</"...), n.Name()...), '>')
}
