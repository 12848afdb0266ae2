package search

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A Kind says how values of a parameter are compared (search.html#ptypes).
type Kind uint8

// The kinds.
const (
	Token Kind = iota + 1
	String
	Reference
	Date
	Number
	Quantity
	URI
	Composite
	Special
)

// kindOf reads the type of a SearchParameter.
func kindOf(name string) Kind {
	for k := Token; k <= Special; k++ {
		if k.String() == name {
			return k
		}
	}
	return 0
}

// String returns the code of the specification.
func (k Kind) String() string {
	return [...]string{"", "token", "string", "reference", "date", "number", "quantity", "uri", "composite", "special"}[k]
}

// A form is how a value of a kind is read from an element of some type.
type form uint8

const (
	asNothing form = iota
	asCoding
	asConcept
	asIdentifier
	asContact
	asCode      // a code with a system that its binding implies
	asPrimitive // boolean, id, uri: exact
	asText      // a string, as a token without case
	asString
	asHumanName
	asAddress
	asReference
	asCanonical
	asInline // a resource inside of another
	asAttachment
	asDate
	asPeriod
	asTiming
	asNumber
	asQuantity
	asMoney
	asRange
	asSampled
	asURI
	asPosition
)

// formOf says how a value is read; asNothing where a parameter of the kind has
// no meaning for the type.
func formOf(k Kind, t *schema.Type) form {
	switch k {
	case Token:
		return tokenForm(t)
	case String:
		switch t.Name {
		case "HumanName":
			return asHumanName
		case "Address":
			return asAddress
		case "CodeableConcept", "Coding", "Annotation":
			return asNothing
		}
		if t.Kind == schema.Primitive {
			return asString
		}
	case Reference:
		return referenceForm(t)
	case Date:
		switch t.Name {
		case "date", "dateTime", "instant":
			return asDate
		case "Period":
			return asPeriod
		case "Timing":
			return asTiming
		}
	case Number, Quantity:
		return numberForm(k, t)
	case URI:
		if t.Kind == schema.Primitive {
			return asURI
		}
	case Special:
		if t.Name == "Location.position" {
			return asPosition
		}
	case Composite:
	}
	return asNothing
}

func tokenForm(t *schema.Type) form {
	switch t.Name {
	case "Coding":
		return asCoding
	case "CodeableConcept":
		return asConcept
	case "Identifier":
		return asIdentifier
	case "ContactPoint":
		return asContact
	case "code":
		return asCode
	case "string", "markdown":
		return asText
	}
	if t.Kind == schema.Primitive {
		return asPrimitive
	}
	return asNothing
}

func referenceForm(t *schema.Type) form {
	switch t.Name {
	case "Reference":
		return asReference
	case "canonical", "uri", "url", "oid", "uuid":
		return asCanonical
	case "Attachment":
		return asAttachment
	}
	if t.Kind == schema.Resource {
		return asInline
	}
	return asNothing
}

func numberForm(k Kind, t *schema.Type) form {
	switch t.Name {
	case "integer", "decimal", "positiveInt", "unsignedInt":
		return asNumber
	case "Range":
		return asRange
	case "Money":
		if k == Quantity {
			return asMoney
		}
	case "SampledData":
		if k == Quantity {
			return asSampled
		}
	}
	if t.Is("Quantity") {
		return asQuantity
	}
	return asNothing
}

// exact says whether the case of tokens of this type counts: identifiers are
// case sensitive (datatypes.html#Identifier), and so are ids, addresses and the
// codes that FHIR itself defines.
func (e *end) exact() bool {
	switch e.form {
	case asIdentifier, asPrimitive:
		return true
	case asCode:
		return e.field != nil && e.field.Binding != nil && e.field.Binding.Strength == schema.Required &&
			!strings.Contains(e.field.Binding.ValueSet, "mimetypes")
	default:
		return false
	}
}
