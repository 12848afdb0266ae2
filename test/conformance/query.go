package main

import (
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// maxText bounds the text that is searched for: a client types no more.
const maxText = 80

// asks says how a client asks for a value under a parameter of a kind: each of
// the answers, a value with prefix, has to find the resource. modifier is what
// goes behind the parameter's name.
func asks(kind string, v value) (values []string, modifier string) {
	switch kind {
	case "token":
		if text := member(v.Value, "text"); v.Type == "CodeableConcept" && text != "" && len(list(v.Value, "coding")) == 0 {
			return []string{start(text)}, ":text"
		}
		return tokens(v), ""
	case "string":
		return texts(v), ""
	case "reference":
		return references(v)
	case "date":
		return dates(v), ""
	case "quantity":
		return quantities(v), ""
	case "number":
		return numbers(v), ""
	case "uri":
		return primitive(v), ""
	}
	return nil, ""
}

// escape writes text as part of a value (search.html, escaping).
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`, `,`, `\,`, `$`, `\$`).Replace(s)
}

// member is the text of a member of a complex value.
func member(v any, name string) string {
	m, _ := v.(map[string]any)
	if m[name] == nil {
		return ""
	}
	return fmt.Sprint(m[name])
}

func list(v any, name string) []any {
	m, _ := v.(map[string]any)
	switch x := m[name].(type) {
	case []any:
		return x
	case nil:
		return nil
	default:
		return []any{x}
	}
}

// primitive is the value of a simple type.
func primitive(v value) []string {
	switch v.Value.(type) {
	case nil, map[string]any, []any:
		return nil
	}
	return []string{escape(fmt.Sprint(v.Value))}
}

func tokens(v value) []string {
	coded := func(v any, code string) []string {
		system, code := member(v, "system"), member(v, code)
		switch {
		case code == "" && system == "":
			return nil
		case system == "":
			return []string{escape(code), "|" + escape(code)}
		case code == "":
			return []string{escape(system) + "|"}
		}
		return []string{escape(system) + "|" + escape(code), escape(code)}
	}
	switch v.Type {
	case "Coding":
		return coded(v.Value, "code")
	case "CodeableConcept":
		var out []string
		for _, c := range list(v.Value, "coding") {
			out = append(out, coded(c, "code")...)
		}
		return out
	case "Identifier":
		return coded(v.Value, "value")
	case "ContactPoint":
		if s := member(v.Value, "value"); s != "" {
			return []string{escape(s)}
		}
		return nil
	}
	return primitive(v)
}

func texts(v value) []string {
	if m, ok := v.Value.(map[string]any); ok {
		var out []string
		for _, name := range []string{"family", "given", "prefix", "suffix", "text", "city", "state", "country", "postalCode", "line", "district"} {
			for _, x := range list(m, name) {
				if x != nil {
					out = append(out, start(fmt.Sprint(x)))
				}
			}
		}
		return out
	}
	var out []string
	if s, ok := v.Value.(string); ok && s != "" {
		out = append(out, start(s))
	}
	return out
}

// start is the first part of a text.
func start(s string) string {
	r := []rune(s)
	return escape(string(r[:min(len(r), maxText)]))
}

func references(v value) (values []string, modifier string) {
	if v.Type != "Reference" {
		return primitive(v), ""
	}
	switch to := member(v.Value, "reference"); {
	case strings.HasPrefix(to, "#"):
		return nil, "" // what is contained has no address
	case to != "":
		return []string{escape(to)}, ""
	}
	for _, id := range list(v.Value, "identifier") {
		return tokens(value{Type: "Identifier", Value: id}), ":identifier"
	}
	return nil, ""
}

func dates(v value) []string {
	between := func(from, to string) []string {
		var out []string
		if from != "" {
			out = append(out, "ge"+from)
		}
		if to != "" {
			out = append(out, "le"+to)
		}
		return out
	}
	switch v.Type {
	case "Period":
		return between(member(v.Value, "start"), member(v.Value, "end"))
	case "Timing":
		var out []string
		for _, e := range list(v.Value, "event") {
			out = append(out, "ge"+fmt.Sprint(e), "le"+fmt.Sprint(e))
		}
		for _, r := range list(v.Value, "repeat") {
			for _, p := range list(r, "boundsPeriod") {
				out = append(out, between(member(p, "start"), member(p, "end"))...)
			}
		}
		return out
	}
	if s, ok := v.Value.(string); ok && (v.Type == "date" || v.Type == "dateTime" || v.Type == "instant") {
		return []string{s, "ge" + s, "le" + s}
	}
	return nil
}

func quantities(v value) []string {
	if v.Type == "Range" {
		var out []string
		for _, low := range list(v.Value, "low") {
			out = append(out, "ge"+member(low, "value"))
		}
		for _, high := range list(v.Value, "high") {
			out = append(out, "le"+member(high, "value"))
		}
		return out
	}
	amount := member(v.Value, "value")
	if amount == "" {
		return nil
	}
	var out []string
	if v.Type == "Money" {
		out = append(out, amount)
		if c := member(v.Value, "currency"); c != "" {
			out = append(out, amount+"|urn:iso:std:iso:4217|"+c)
		}
		return out
	}
	switch member(v.Value, "comparator") {
	case "<", "<=":
		return []string{"le" + amount}
	case ">", ">=":
		return []string{"ge" + amount}
	}
	out = append(out, amount)
	if code := member(v.Value, "code"); code != "" {
		out = append(out, amount+"|"+escape(member(v.Value, "system"))+"|"+escape(code), amount+"||"+escape(code))
	}
	if unit := member(v.Value, "unit"); unit != "" {
		out = append(out, amount+"||"+escape(unit))
	}
	return out
}

func numbers(v value) []string {
	if v.Type == "Range" {
		for _, low := range list(v.Value, "low") {
			return []string{"ge" + member(low, "value")}
		}
		return nil
	}
	return primitive(v)
}

// composites are the values of a composite: the first of each part, as often as
// all parts have one.
func composites(set *schema.Set, p *schema.Param, v value) []string {
	var parts []string
	for i, found := range v.Parts {
		of := set.ParamByURL(p.Components[i].Definition)
		if of == nil {
			return nil
		}
		part := ""
		for _, x := range found {
			if all, modifier := asks(of.Kind, x); len(all) > 0 && modifier == "" {
				part = all[0]
				break
			}
		}
		if part == "" {
			return nil
		}
		parts = append(parts, part)
	}
	return []string{strings.Join(parts, "$")}
}
