package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A value is what an engine that others wrote finds with the expression of a
// search parameter.
type value struct {
	Type  string    // of FHIR
	Value any       // JSON; numbers as json.Number
	Parts [][]value // of a composite
}

// A question is a search parameter for the other engine.
type question struct {
	Code       string   `json:"code"`
	Expression string   `json:"expression"`
	Components []string `json:"components,omitempty"`
}

// found evaluates all parameters on all examples: for each example the values by
// code. It needs Node and the engine.
func (b *bench) found(ctx context.Context, set *schema.Set, all []example) ([]map[string][]value, error) {
	if _, err := os.Stat(filepath.Join(b.clients, "node_modules", "fhirpath")); err != nil {
		return nil, fmt.Errorf("the FHIRPath engine to compare with is not installed (scripts/clients): %w", fs.ErrNotExist)
	}
	var ask struct {
		Resources []json.RawMessage     `json:"resources"`
		Params    map[string][]question `json:"params"`
	}
	ask.Params = map[string][]question{}
	for _, e := range all {
		ask.Resources = append(ask.Resources, e.raw)
		if ask.Params[e.typ] == nil {
			ask.Params[e.typ] = questions(set, e.typ)
		}
	}
	in, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("write the questions: %w", err)
	}
	c := exec.CommandContext(ctx, "node", "oracle.mjs")
	c.Dir, c.Stdin, c.Stderr = b.clients, bytes.NewReader(in), os.Stderr
	answer, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("run the other engine: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	var out []map[string][]value
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the answers: %w", err)
	}
	return out, nil
}

// questions are the parameters of a type that have an expression.
func questions(set *schema.Set, typ string) []question {
	var out []question
	for _, p := range set.Params(typ) {
		q := question{Code: p.Code, Expression: p.For(typ)}
		if q.Expression == "" || p.Kind == "special" || p.Code == "_lastUpdated" { // which the server sets
			continue
		}
		for _, c := range p.Components {
			q.Components = append(q.Components, c.Expression)
		}
		out = append(out, q)
	}
	return out
}
