package check

import (
	"math"
	"regexp"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A shape is a type as the walk needs it.
type shape struct {
	t        *schema.Type
	required bits      // fields that must be there
	elements []element // by schema.Field.Index
	rules    []held    // of the type
	value    form      // of a primitive
	pattern  *regexp.Regexp
	resource bool // a resource or an abstract one
	isa      role
}

// An element is one field of a shape.
type element struct {
	f       *schema.Field
	of      []*shape // for each of the types
	rules   []held   // that hold here beside those of the type
	binding *binding // when it is to be checked
	simple  bool     // a Quantity that must be a SimpleQuantity
	under   string   // the name under which id and extensions of a primitive stand
}

// shapeOf returns the shape of one of an element's types.
func (e *element) shapeOf(t *schema.Type) *shape {
	for _, s := range e.of {
		if s.t == t {
			return s
		}
	}
	return nil
}

// bits is a set of fields; the longest type has some sixty.
type bits [4]uint64

func (b *bits) add(i int)      { b[i>>6&3] |= 1 << (i & 63) }
func (b *bits) has(i int) bool { return b[i>>6&3]&(1<<(i&63)) != 0 }

// A role marks types that have rules of their own beyond what tables say.
type role uint8

const (
	plain role = iota
	isReference
	isExtension
	isNarrative
	isCoding
	isConcept
	isQuantity
	isBundle
	isResponse
)

var roles = map[string]role{
	"Reference": isReference, "Extension": isExtension, "Narrative": isNarrative, "Coding": isCoding,
	"CodeableConcept": isConcept, "Quantity": isQuantity, "Bundle": isBundle,
	"QuestionnaireResponse": isResponse,
}

// roleOf finds the role of a type, which is that of what it specializes: an Age
// is a Quantity.
func roleOf(t *schema.Type) role {
	for ; t != nil; t = t.Base {
		if r := roles[t.Name]; r != plain {
			return r
		}
	}
	return plain
}

// A form is what the value of a primitive must look like.
type form uint8

const (
	formNone form = iota
	formBoolean
	formInteger
	formUnsigned
	formPositive
	formDecimal
	formString
	formCode
	formID
	formURI
	formOID
	formUUID
	formBase64
	formDate
	formDateTime
	formInstant
	formTime
	formXHTML
	formPattern // a primitive that a guide defines
)

var forms = map[string]form{
	"boolean": formBoolean, "integer": formInteger, "unsignedInt": formUnsigned, "positiveInt": formPositive,
	"decimal": formDecimal, "string": formString, "markdown": formString, "code": formCode, "id": formID,
	"uri": formURI, "url": formURI, "canonical": formURI, "oid": formOID, "uuid": formUUID,
	"base64Binary": formBase64, "date": formDate, "dateTime": formDateTime, "instant": formInstant,
	"time": formTime, "xhtml": formXHTML,
}

const simpleQuantity = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"

// A builder makes the shapes of a checker; rules with the same expression are
// shared.
type builder struct {
	c     *Checker
	rules map[string]*rule
	plain bool
}

func (b *builder) shape(t *schema.Type) *shape {
	if s := b.c.shapes[t]; s != nil {
		return s
	}
	s := &shape{t: t, isa: roleOf(t), resource: t.Is("Resource")}
	b.c.shapes[t] = s
	if t.Kind == schema.Primitive {
		s.value = forms[t.Name]
		if s.value == formNone {
			s.value = formPattern
			s.pattern = pattern(t.Pattern)
		}
	}
	s.rules = b.those(t.Invariants, t)
	s.elements = make([]element, len(t.Fields))
	for i, f := range t.Fields {
		if f.Min > 0 {
			s.required.add(i)
		}
		e := &s.elements[i]
		of := t
		if len(f.Types) > 0 {
			of = f.Types[0]
		}
		*e = element{f: f, rules: b.those(f.Invariants, of), under: "_" + f.Name}
		for _, of := range f.Types {
			e.of = append(e.of, b.shape(of))
		}
		for _, p := range f.Profiles {
			e.simple = e.simple || p.URL == simpleQuantity
		}
		// Beside media types, format may have the short forms xml, json and ttl
		// (R4 capabilitystatement-definitions.html), which no value set has.
		if f.Binding != nil && f.Path != "CapabilityStatement.format" {
			e.binding = b.c.bind(f.Binding)
		}
	}
	return s
}

// those compiles invariants, without what the walk does itself.
func (b *builder) those(list []*schema.Invariant, on *schema.Type) []held {
	var out []held
	for _, i := range list {
		if i.Expression == "" || walked(i) && !b.plain {
			continue
		}
		id := i.Key + "\x00" + i.Expression
		r := b.rules[id]
		if r == nil {
			r = newRule(i)
			b.rules[id] = r
		}
		if b.plain {
			out = append(out, held{rule: r})
		} else {
			out = append(out, r.on(on))
		}
	}
	return out
}

// pattern compiles a regular expression of a definition; nil when Go has none
// like it.
func pattern(text string) *regexp.Regexp {
	if text == "" || len(text) > 1000 {
		return nil
	}
	re, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return nil
	}
	return re
}

// least is the least value of the integer types.
func (f form) least() int64 {
	if f == formUnsigned {
		return 0
	}
	if f == formPositive {
		return 1
	}
	return math.MinInt32
}

// kind is what a value of the form is in JSON.
func (f form) kind() tree.Kind {
	if f == formBoolean {
		return tree.Bool
	}
	if f == formInteger || f == formUnsigned || f == formPositive || f == formDecimal {
		return tree.Number
	}
	return tree.String
}
