package check

// xhtmlElement tells whether an element is one of HTML 4.0 chapters 7 to 11
// (without section 9.4) and 15 that is neither deprecated nor makes a document
// of its own; with a, img and the maps of images (R4 narrative.html).
func xhtmlElement(name []byte) bool {
	switch string(name) {
	case "div", "span", "address", "h1", "h2", "h3", "h4", "h5", "h6", // 7
		"bdo",                                                                          // 8
		"em", "strong", "dfn", "code", "samp", "kbd", "var", "cite", "abbr", "acronym", // 9
		"blockquote", "q", "sub", "sup", "p", "br", "pre",
		"ul", "ol", "li", "dl", "dt", "dd", // 10
		"table", "caption", "thead", "tbody", "tfoot", "colgroup", "col", "tr", "th", "td", // 11
		"tt", "i", "b", "big", "small", "hr", // 15
		"a", "img", "map", "area":
		return true
	}
	return false
}

// xhtmlAttribute tells whether an element may have an attribute: those of every
// element of HTML 4.0 but events, and its own.
func xhtmlAttribute(element, name []byte) bool {
	switch string(name) {
	case "title", "style", "class", "id", "idref", "lang", "xml:lang", "dir", "xmlns", "xml:space", "accesskey", "tabindex":
		return true
	}
	switch string(element) {
	case "a":
		return oneOf(name, "name", "href", "charset", "type", "hreflang", "rel", "rev", "shape", "coords")
	case "img":
		return oneOf(name, "src", "alt", "longdesc", "height", "width", "usemap", "ismap", "border", "align")
	case "area":
		return oneOf(name, "shape", "coords", "href", "nohref", "alt")
	case "map":
		return oneOf(name, "name")
	case "blockquote", "q":
		return oneOf(name, "cite")
	case "ol", "ul", "li":
		return oneOf(name, "type", "start", "value", "compact")
	case "table":
		return oneOf(name, "summary", "width", "border", "frame", "rules", "cellspacing", "cellpadding", "align")
	case "thead", "tbody", "tfoot", "tr", "th", "td", "col", "colgroup":
		return oneOf(name, "align", "valign", "char", "charoff", "span", "width", "height", "abbr", "axis", "headers", "scope", "rowspan", "colspan", "nowrap")
	case "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "caption":
		return oneOf(name, "align")
	case "hr":
		return oneOf(name, "align", "size", "width", "noshade")
	case "pre":
		return oneOf(name, "width")
	}
	return false
}

func oneOf(name []byte, names ...string) bool {
	for _, n := range names {
		if string(name) == n {
			return true
		}
	}
	return false
}
