package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

const (
	unit       = "\x1f"
	structures = "http://hl7.org/fhir/StructureDefinition/"
)

// tables builds the table of types.
type tables struct {
	out        strings.Builder
	heads      strings.Builder
	invariants map[string]int
	// own are the keys that hold for every value of a type.
	own map[string]map[string]bool
}

func typeTable(all []object) (string, error) {
	t := tables{invariants: map[string]int{}, own: map[string]map[string]bool{}}
	var defs []object
	for _, o := range all {
		if text(o, "resourceType") == "StructureDefinition" && text(o, "derivation") != "constraint" && text(o, "kind") != "logical" {
			defs = append(defs, o)
		}
	}
	for _, o := range defs {
		keys := map[string]bool{}
		for _, c := range objects(elements(o)[0], "constraint") {
			keys[text(c, "key")] = true
		}
		t.own[text(o, "type")] = keys
	}
	for _, o := range defs {
		if err := t.define(o); err != nil {
			return "", fmt.Errorf("%s: %w", text(o, "id"), err)
		}
	}
	return t.heads.String() + t.out.String(), nil
}

func elements(o object) []object {
	snap, _ := o["snapshot"].(object)
	return objects(snap, "element")
}

// define writes a type and those of its elements that have children.
func (t *tables) define(o object) error {
	es := elements(o)
	children := map[string][]object{}
	for _, e := range es[1:] {
		path := text(e, "path")
		up := path[:strings.LastIndexByte(path, '.')]
		children[up] = append(children[up], e)
	}
	kind := schema.Complex
	switch text(o, "kind") {
	case "primitive-type":
		kind = schema.Primitive
	case "resource":
		kind = schema.Resource
	}
	pattern := ""
	if kind == schema.Primitive {
		pattern, children[text(o, "type")] = primitive(children[text(o, "type")])
	}
	base := strings.TrimPrefix(text(o, "baseDefinition"), structures)
	abstract := ""
	if o["abstract"] == true {
		abstract = "a"
	}
	t.head(es[0], kind, base, abstract, text(o, "url"), pattern, children)
	for _, e := range es[1:] {
		path := text(e, "path")
		if len(children[path]) == 0 {
			continue
		}
		if len(objects(e, "type")) != 1 {
			return fmt.Errorf("%s has children and not one type", path)
		}
		t.head(e, schema.Backbone, text(objects(e, "type")[0], "code"), "", "", "", children)
	}
	return nil
}

func primitive(fields []object) (pattern string, rest []object) {
	for _, f := range fields {
		if !strings.HasSuffix(text(f, "path"), ".value") {
			rest = append(rest, f)
			continue
		}
		for _, x := range objects(objects(f, "type")[0], "extension") {
			if strings.HasSuffix(text(x, "url"), "/regex") {
				pattern = text(x, "valueString")
			}
		}
	}
	return pattern, rest
}

func (t *tables) head(e object, kind schema.Kind, base, abstract, url, pattern string, children map[string][]object) {
	path := text(e, "path")
	fields := children[path]
	row(&t.out, "T", path, strconv.Itoa(int(kind)), base, abstract, url, pattern,
		t.numbers(objects(e, "constraint")), strconv.Itoa(len(fields)))
	for _, f := range fields {
		t.field(f, len(children[text(f, "path")]) > 0)
	}
}

func (t *tables) numbers(constraints []object) string {
	var out []string
	for _, c := range constraints {
		severity := "e"
		if text(c, "severity") == "warning" {
			severity = "w"
		}
		line := strings.Join([]string{"I", clean(text(c, "key")), severity, clean(text(c, "expression")), clean(text(c, "human"))}, "\t")
		n, ok := t.invariants[line]
		if !ok {
			n = len(t.invariants)
			t.invariants[line] = n
			t.heads.WriteString(line + "\n")
		}
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

func (t *tables) field(e object, backbone bool) {
	path := text(e, "path")
	name := path[strings.LastIndexByte(path, '.')+1:]
	flags := ""
	if strings.HasSuffix(name, "[x]") {
		name, flags = strings.TrimSuffix(name, "[x]"), "c"
	}
	if e["isSummary"] == true {
		flags += "s"
	}
	if e["isModifier"] == true {
		flags += "m"
	}
	if len(texts(e, "representation")) > 0 && texts(e, "representation")[0] == "xmlAttr" {
		flags += "x"
	}
	types, targets, profiles := typesOf(e)
	invariants := ""
	if backbone {
		types = []string{path} // its constraints stand with the type
	} else {
		invariants = t.numbers(t.beyond(objects(e, "constraint"), types))
	}
	most := text(e, "max")
	if most == "*" {
		most = "-1"
	}
	row(&t.out, "E", name, flags, fmt.Sprint(e["min"]), most, strings.Join(types, unit), strings.Join(targets, unit),
		strings.Join(profiles, unit), binding(e), invariants)
}

// beyond leaves out what holds for every value of the types anyway.
func (t *tables) beyond(constraints []object, types []string) []object {
	var out []object
	for _, c := range constraints {
		everywhere := len(types) > 0
		for _, name := range types {
			everywhere = everywhere && t.own[name][text(c, "key")]
		}
		if !everywhere {
			out = append(out, c)
		}
	}
	return out
}

func typesOf(e object) (types, targets, profiles []string) {
	if ref := text(e, "contentReference"); ref != "" {
		return []string{strings.TrimPrefix(ref, "#")}, nil, nil
	}
	for _, ty := range objects(e, "type") {
		code := text(ty, "code")
		if strings.Contains(code, "/System.") {
			code = "string"
			for _, x := range objects(ty, "extension") {
				if strings.HasSuffix(text(x, "url"), "-fhir-type") {
					code = text(x, "valueUrl")
				}
			}
			if strings.HasSuffix(text(e, "path"), ".id") && texts(e, "representation") == nil && code == "string" && resourceID(e) {
				code = "id" // resource.html#id; the definitions say string
			}
		}
		types = append(types, code)
		for _, p := range texts(ty, "targetProfile") {
			targets = append(targets, strings.TrimPrefix(p, structures))
		}
		for _, p := range texts(ty, "profile") {
			profiles = append(profiles, code+" "+p)
		}
	}
	return types, targets, profiles
}

func resourceID(e object) bool {
	base, _ := e["base"].(object)
	return text(base, "path") == "Resource.id"
}

func binding(e object) string {
	b, _ := e["binding"].(object)
	if b == nil {
		return ""
	}
	most := ""
	for _, x := range objects(b, "extension") {
		if strings.HasSuffix(text(x, "url"), "maxValueSet") {
			most = text(x, "valueCanonical")
		}
	}
	return text(b, "strength") + unit + text(b, "valueSet") + unit + most
}

func paramTable(params []object) string {
	var out strings.Builder
	sort.SliceStable(params, func(i, j int) bool { return text(params[i], "url") < text(params[j], "url") })
	for _, p := range params {
		var components []string
		for _, c := range objects(p, "component") {
			components = append(components, text(c, "definition")+" "+clean(text(c, "expression")))
		}
		list := func(name string) string { return strings.Join(texts(p, name), unit) }
		row(&out, "P", text(p, "code"), text(p, "type"), text(p, "url"), text(p, "name"), list("base"), list("target"),
			list("comparator"), list("modifier"), text(p, "xpathUsage"), text(p, "expression"), strings.Join(components, unit))
	}
	return out.String()
}

func compartmentTable(all []object) string {
	var out strings.Builder
	for _, o := range all {
		if text(o, "resourceType") != "CompartmentDefinition" {
			continue
		}
		for _, r := range objects(o, "resource") {
			if ps := texts(r, "param"); len(ps) > 0 {
				row(&out, "C", text(o, "code"), text(r, "code"), strings.Join(ps, unit))
			}
		}
	}
	return out.String()
}
