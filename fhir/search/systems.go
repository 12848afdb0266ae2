package search

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// cased returns how a code goes into the index: with its case where the code
// system is known to tell codes apart by it (codesystem.html: caseSensitive),
// else without (search.html#token).
func (e *Engine) cased(b *branch, system, code string) (how byte, folded string) {
	if b.exact || e.sensitive(system) {
		return byExact, code
	}
	return byCode, foldCode(code)
}

// sensitive says whether a code system is known to be case sensitive. Only
// what is part of the specification counts: what an installation adds must not
// change how the index is to be read.
func (e *Engine) sensitive(system string) bool {
	if system == "" {
		return false
	}
	if system == ucumSystem {
		return true
	}
	if v, ok := e.systems.Load(system); ok {
		return v.(bool)
	}
	is := false
	if d := schema.R4().Definition("CodeSystem", system); d == nil {
		if e.kept.Add(1) > maxUnits {
			return false // anybody can make up systems: they are not all kept
		}
	} else if b, err := d.JSON(); err == nil {
		var cs struct {
			CaseSensitive bool `json:"caseSensitive"`
		}
		is = json.Unmarshal(b, &cs) == nil && cs.CaseSensitive
	}
	e.systems.Store(strings.Clone(system), is)
	return is
}

// implies says whether a code of the branch is one of the system: the system of
// a plain code is that of the value set it is bound to.
func (e *Engine) implies(b *branch, system string) bool {
	for _, end := range b.ends {
		if end.form != asCode || end.field == nil || end.field.Binding == nil {
			continue
		}
		if slices.Contains(e.systemsOf(end.field.Binding.ValueSet), system) {
			return true
		}
	}
	return false
}

// systemsOf returns the code systems of a value set that an element is bound to.
func (e *Engine) systemsOf(valueSet string) (systems []string) {
	if v, ok := e.bound.Load(valueSet); ok {
		return v.([]string)
	}
	url, _, _ := strings.Cut(valueSet, "|")
	if d := e.c.Schema.Definition("ValueSet", url); d != nil {
		var vs struct {
			Compose struct {
				Include []struct {
					System string `json:"system"`
				} `json:"include"`
			} `json:"compose"`
		}
		if raw, err := d.JSON(); err == nil && json.Unmarshal(raw, &vs) == nil {
			for _, inc := range vs.Compose.Include {
				systems = append(systems, inc.System)
			}
		}
	}
	e.bound.Store(valueSet, systems)
	return systems
}
