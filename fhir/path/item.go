package path

import (
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Kind says what an item is when FHIRPath looks at its value.
type Kind uint8

// The kinds. None is the kind of an element without a value; Complex of an
// element that has elements of its own.
const (
	None Kind = iota
	Boolean
	Integer
	Text // System.String
	Number
	Date
	DateTime
	Time
	Amount // System.Quantity
	Info   // what type() returns
	Complex
)

// An Item is one value of a collection: an element of a document with its type
// and the sibling that holds its id and extensions, or a value that was
// computed. The zero Item is neither.
type Item struct {
	node tree.Node
	ext  tree.Node // of the member _x beside the member x
	typ  *schema.Type
	set  *schema.Set
	sys  any // bool, int64, string, Decimal, Temporal, Quantity or TypeInfo
}

// TypeInfo is what type() returns: the namespace System or FHIR, and a name.
type TypeInfo struct{ Namespace, Name string }

// ItemOf returns an item for a resource or for an element whose type its
// resourceType says. A document of unknown type has items without types.
func ItemOf(set *schema.Set, n tree.Node) Item {
	return Item{node: n, set: set, typ: typeIn(set, n.Get("resourceType").Text())}
}

// Element returns an item for an element of a document. ext is the member that
// holds its id and extensions when it is primitive, else the zero Node.
func Element(set *schema.Set, t *schema.Type, n, ext tree.Node) Item {
	return Item{node: n, ext: ext, set: set, typ: t}
}

// Of returns an item for a value: bool, int64, string, Decimal, Temporal or
// Quantity.
func Of(v any) Item { return Item{sys: v} }

// Node returns the place in a document, the zero Node for a computed value.
func (i Item) Node() tree.Node { return i.node }

// Extra returns the member that holds id and extensions of a primitive element.
func (i Item) Extra() tree.Node { return i.ext }

// Type returns the FHIR type, nil for a computed value.
func (i Item) Type() *schema.Type { return i.typ }

// Ok reports whether the item is something.
func (i Item) Ok() bool { return i.sys != nil || i.node.Ok() || i.ext.Ok() || i.typ != nil }

// Computed tells whether the item is a value that was computed.
func (i Item) Computed() bool { return i.sys != nil }

// Value returns the value as FHIRPath sees it: bool, int64, string, Decimal,
// Temporal, Quantity or TypeInfo; nil for an element that is not primitive, or
// without a value. FHIR's Quantity is an element, see Quantity.
func (i Item) Value() any {
	if i.sys != nil {
		return i.sys
	}
	switch i.kind() {
	case Boolean:
		return i.node.Bool()
	case Text:
		return i.node.Text()
	case Integer, Number:
		d, ok := ParseDecimal(i.node.Text())
		if !ok {
			return nil
		}
		if i.kind() == Number {
			return d
		}
		n, _ := d.Int64()
		return n
	case Date, DateTime, Time:
		t, ok := i.temporal()
		if !ok {
			return i.node.Text()
		}
		return t
	default:
		return nil
	}
}

// String returns the value as text, "" for an element that has none.
func (i Item) String() string {
	if i.sys == nil && i.node.Kind() != tree.Object {
		return i.node.Text()
	}
	s, _ := textOf(i)
	return s
}

// kind says what the value is without reading it.
func (i *Item) kind() Kind {
	if i.sys != nil {
		return kindOf(i.sys)
	}
	switch i.node.Kind() {
	case tree.Bool:
		return Boolean
	case tree.Number:
		if i.typ != nil && i.typ.Kind == schema.Primitive {
			switch i.typ.Name {
			case "integer", "unsignedInt", "positiveInt", "integer64":
				return Integer
			}
			return Number
		}
		for _, c := range i.node.Raw() {
			if c == '.' || c == 'e' || c == 'E' {
				return Number
			}
		}
		return Integer
	case tree.String:
		if i.typ != nil {
			switch i.typ.Name {
			case "date":
				return Date
			case "dateTime", "instant":
				return DateTime
			case "time":
				return Time
			}
		}
		return Text
	case tree.Object, tree.Array:
		return Complex
	default:
		return None
	}
}

func kindOf(v any) Kind {
	switch v := v.(type) {
	case bool:
		return Boolean
	case int64:
		return Integer
	case string:
		return Text
	case Decimal:
		return Number
	case Temporal:
		return v.kind
	case Quantity:
		return Amount
	case TypeInfo:
		return Info
	}
	return None
}

// boolean returns the truth value of an item, as the only one of a collection
// (FHIRPath N1 §4.5): what is no boolean counts as true.
func (i *Item) boolean() tri {
	if i.kind() != Boolean {
		return yes
	}
	if i.sys != nil {
		return triOf(i.sys.(bool))
	}
	return triOf(i.node.Bool())
}

// text returns the value of a string.
func (i *Item) text() (string, bool) {
	if s, ok := i.sys.(string); ok {
		return s, true
	}
	if i.sys != nil || i.node.Kind() != tree.String {
		return "", false
	}
	return i.node.Text(), true
}

// decimal returns the value of an integer or decimal.
func (i *Item) decimal() (Decimal, bool) {
	switch v := i.sys.(type) {
	case nil:
	case int64:
		return DecimalOf(v), true
	case Decimal:
		return v, true
	default:
		return Decimal{}, false
	}
	if i.node.Kind() != tree.Number {
		return Decimal{}, false
	}
	return ParseDecimal(i.node.Text())
}

// integer returns the value of an integer.
func (i *Item) integer() (int64, bool) {
	if n, ok := i.sys.(int64); ok {
		return n, true
	}
	if i.kind() != Integer {
		return 0, false
	}
	d, ok := i.decimal()
	if !ok {
		return 0, false
	}
	return d.Int64()
}

// temporal returns the value of a date, dateTime, instant or time.
func (i *Item) temporal() (Temporal, bool) {
	if t, ok := i.sys.(Temporal); ok {
		return t, true
	}
	switch i.kind() {
	case Date:
		return ParseDate(i.node.Text())
	case DateTime:
		return ParseDateTime(i.node.Text())
	case Time:
		return ParseTime(i.node.Text())
	default:
		return Temporal{}, false
	}
}

// ucumSystem is the system of UCUM's codes (datatypes.html#Quantity).
const ucumSystem = "http://unitsofmeasure.org"

// Quantity returns the value of a FHIR Quantity or of a computed one. A FHIR
// Quantity with a comparator is no exact value and gives none.
func (i Item) Quantity() (Quantity, bool) {
	if q, ok := i.sys.(Quantity); ok {
		return q, true
	}
	if i.typ == nil || !i.typ.Is("Quantity") || i.node.Kind() != tree.Object || i.node.Get("comparator").Ok() {
		return Quantity{}, false
	}
	v, ok := ParseDecimal(i.node.Get("value").Text())
	if !ok {
		return Quantity{}, false
	}
	q := Quantity{Value: v, Unit: i.node.Get("code").Text(), System: i.node.Get("system").Text()}
	switch {
	case q.System == ucumSystem && q.Unit != "":
		q.System = ""
	case q.Unit == "":
		if q.Unit = i.node.Get("unit").Text(); q.Unit == "" {
			q.Unit, q.System = "1", ""
		}
	}
	return q, true
}

// hasValue tells whether the item is primitive and has a value, not only
// extensions (fhirpath.html#functions).
func (i *Item) hasValue() bool {
	if i.sys != nil {
		return true
	}
	switch i.node.Kind() {
	case tree.Bool, tree.Number, tree.String:
		return true
	default:
		return false
	}
}

// info returns the type as type() gives it.
func (i *Item) info() TypeInfo {
	if i.sys != nil {
		return TypeInfo{"System", systemName(i.kind())}
	}
	if i.typ != nil {
		return TypeInfo{"FHIR", i.typ.Name}
	}
	return TypeInfo{"FHIR", systemName(i.kind())}
}

// systemName is the name of a kind in the namespace System.
func systemName(k Kind) string {
	switch k {
	case Boolean:
		return "Boolean"
	case Integer:
		return "Integer"
	case Text:
		return "String"
	case Number:
		return "Decimal"
	case Date:
		return "Date"
	case DateTime:
		return "DateTime"
	case Time:
		return "Time"
	case Amount:
		return "Quantity"
	default:
		return "Any"
	}
}

// is tells whether the item is of the type or of a specialization of it.
func (i *Item) is(spec typeSpec, exact bool) bool {
	if i.sys != nil {
		return spec.space != "FHIR" && (systemName(i.kind()) == spec.name || spec.name == "Any")
	}
	if spec.space == "System" || i.typ == nil {
		return false
	}
	if exact && i.typ.Kind == schema.Primitive { // a code is chosen as code, not as string
		return i.typ.Name == spec.name || spec.name == "Element"
	}
	return i.typ.Is(spec.name)
}

// primitive tells whether a primitive element has a value of the type of
// System: invariants of R4 ask so, as que-7 with `answer is Boolean`.
func (i *Item) primitive(spec typeSpec) bool {
	return i.typ != nil && i.typ.Kind == schema.Primitive && systemName(i.kind()) == spec.name && i.hasValue()
}

// typeIn looks a type up; without definitions there is none.
func typeIn(set *schema.Set, name string) *schema.Type {
	if set == nil {
		return nil
	}
	return set.Type(name)
}
