package devices

import (
	"encoding/json"
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// A shape is a JSON Schema.
type shape map[string]any

// Schema returns the JSON Schema (2020-12) of profile files, for editors. It is
// made from the same lists of keys that the reader uses.
func Schema() ([]byte, error) {
	s := object(profileKeys())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Vigil device profile"
	s["description"] = "One type of device: where its messages say what, in which units and codes, with examples that prove it."
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(b, '\n'), nil
}

// object is the schema of a section.
func object(keys []key) shape {
	properties := shape{}
	required := []string{}
	for _, k := range keys {
		s := k.schema()
		s["description"] = k.says
		properties[k.name] = s
		if k.required {
			required = append(required, k.name)
		}
	}
	s := shape{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// list is the schema of a list.
func list(of shape) shape { return shape{"type": "array", "items": of} }

// one is the schema of what has one of several forms.
func one(of ...shape) shape { return shape{"anyOf": of} }

// named is the schema of a mapping with free names.
func named(of shape) shape { return shape{"type": "object", "additionalProperties": of} }

// text is the schema of a text with a form.
func text(pattern string) shape { return shape{"type": "string", "pattern": pattern} }

// pathShape is the schema of a path.
func pathShape() shape { return text(`^(\$|\.)`) }

// schema is the schema of one key's value.
func (k key) schema() shape {
	const name, duration = `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`, `^[0-9.]+ (us|ms|s|min|h|d|wk)$`
	scalar := shape{"type": []string{"string", "number", "boolean"}}
	switch k.kind {
	case aText, aCondition, aUnit, aZone:
		if k.name == "mdc" || k.name == "sct" {
			return shape{"type": []string{"string", "integer"}}
		}
		return shape{"type": "string", "minLength": 1}
	case aName:
		if k.name == "says" {
			return shape{"enum": vigil.StateWords()}
		}
		if values := k.choices(); values != nil {
			return shape{"enum": values}
		}
		return text(name)
	case aNumber:
		return shape{"type": "number"}
	case aCount:
		return shape{"type": "integer", "minimum": 0, "maximum": 9}
	case aFlag:
		return shape{"type": "boolean"}
	case aPath:
		return pathShape()
	case aPathOrMap:
		return one(pathShape(), object(pathKeys()))
	case aDuration:
		return text(duration)
	case aCadence:
		return one(text(duration), shape{"const": "spot"})
	case aNumberOrMap:
		return one(shape{"type": "number"}, object(pathKeys()))
	case aRate:
		return one(text(`^[0-9.]+(/[0-9]+)? /s$`), object(pathKeys()))
	case aUnitOrMap:
		return one(shape{"type": "string"}, object(unitKeys()))
	case aRange:
		return shape{"type": "array", "items": shape{"type": "number"}, "minItems": 2, "maxItems": 2}
	case aSpecials:
		return named(one(text(`^(above|below) .+$`), shape{"const": "nothing"}, shape{"enum": vigil.StateWords()}))
	case aWords:
		return named(shape{"type": "number"})
	case someUnitWords:
		return named(shape{"type": "string"})
	case aDataMap:
		return named(pathShape())
	case aPayload:
		return shape{}
	case aWant:
		return named(one(scalar, list(one(scalar, shape{"type": "object"})), shape{"type": "object"}))
	default:
		return k.nested(scalar)
	}
}

// choices are the values that a name may have, nil when it is free.
func (k key) choices() []string {
	switch k.name {
	case "codec":
		return []string{"json", "csv", "cbor", "gatt"}
	case "drift":
		return []string{"trust", "correct", "ignore"}
	case "category":
		return []string{"vital-signs", "activity", "laboratory", "therapy", "procedure", "survey", "exam", "imaging", "social-history"}
	}
	return nil
}

// nested is the schema of what has keys of its own.
func (k key) nested(scalar shape) shape {
	switch k.kind {
	case aCode:
		code := shape{"type": []string{"string", "integer"}}
		codes := one(code, list(code))
		return shape{"type": "object", "additionalProperties": false, "properties": shape{"loinc": codes, "mdc": codes, "sct": codes}}
	case aTimeMap:
		return object(timeKeys())
	case aCSVMap:
		return object(csvKeys())
	case someNames:
		return one(shape{"type": "string"}, list(scalar))
	case someCodes:
		return list(object(codeKeys()))
	case somePanels:
		return named(object(panelKeys()))
	case someReadings:
		return list(object(readingKeys()))
	case someWaves:
		return list(object(waveKeys()))
	case someEvents:
		return list(object(eventKeys()))
	case someStates:
		return list(object(stateKeys()))
	case someExamples:
		return list(object(exampleKeys()))
	default:
		return shape{}
	}
}
