package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A statement is what the guide expects of a server (CapabilityStatement), as
// far as searches go.
type statement struct {
	Rest []struct {
		Resource []struct {
			Type        string
			SearchParam []struct{ Name string }
			Extension   []struct {
				URL       string
				Extension []struct{ URL, ValueString string }
			}
		}
	}
}

// combination is the extension that names parameters that are used together.
const combination = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"

// searched reads which parameters, alone and together, the guide's server offers
// for each type.
func (s *source) searched(b *bench) (map[string][][]string, error) {
	var st statement
	err := eachFile(b.in(s.guide), func(name string, r io.Reader) error {
		if path.Base(name) != "CapabilityStatement-us-core-server.json" {
			return nil
		}
		return json.NewDecoder(r).Decode(&st)
	})
	if err != nil || len(st.Rest) == 0 {
		return nil, fmt.Errorf("read what the guide expects: %w", err)
	}
	out := map[string][][]string{}
	for _, r := range st.Rest[0].Resource {
		for _, p := range r.SearchParam {
			out[r.Type] = append(out[r.Type], []string{p.Name})
		}
		for _, e := range r.Extension {
			var together []string
			for _, x := range e.Extension {
				if x.URL == "required" || x.URL == "optional" {
					together = append(together, x.ValueString)
				}
			}
			if e.URL == combination && len(together) > 0 {
				out[r.Type] = append(out[r.Type], together)
			}
		}
	}
	return out, nil
}

// plan runs the searches that the guide expects of a server, with the values of
// every example that has all of them. A search for which no example has the
// values is skipped.
func (s *source) plan(ctx context.Context, b *bench) ([]outcome, error) {
	expected, err := s.searched(b)
	if err != nil {
		return nil, err
	}
	return s.compared(ctx, b, func(c *client, set *schema.Set, all []example, found []map[string][]value) ([]outcome, error) {
		var out []outcome
		for _, typ := range set.Resources() {
			for _, codes := range expected[typ] {
				out = append(out, c.together(ctx, set, typ, codes, all, found))
			}
		}
		return out, nil
	})
}

// together tries one combination of parameters with all examples of a type.
func (c *client) together(ctx context.Context, set *schema.Set, typ string, codes []string, all []example, found []map[string][]value) outcome {
	o := outcome{name: typ + " by " + strings.Join(codes, "+"), skipped: "no example has the values"}
	for i, e := range all {
		if e.typ != typ {
			continue
		}
		var each [][]ask
		for _, code := range codes {
			if asked := queries(set, typ, code, found[i][code]); len(asked) > 0 {
				each = append(each, asked)
			}
		}
		if len(each) < len(codes) {
			continue
		}
		o.skipped = ""
		// All values of one parameter in turn, with the first of each other.
		for turn := range each {
			for _, a := range each[turn] {
				parts := make([]string, len(each))
				for k := range each {
					parts[k] = each[k][0].query
				}
				parts[turn] = a.query
				if err := c.finds(ctx, e, strings.Join(slices.Compact(parts), "&")); err != nil {
					o.failed = fmt.Sprintf("%s: %v", e.name, err)
					return o
				}
			}
		}
	}
	return o
}
