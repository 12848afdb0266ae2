package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// An ask is a search that must find an example.
type ask struct {
	code  string // of the parameter
	query string // encoded
}

// searches asks for each example by each parameter and each value that an
// independent engine finds in it.
func (s *source) searches(ctx context.Context, b *bench) ([]outcome, error) {
	return s.compared(ctx, b, func(c *client, set *schema.Set, all []example, found []map[string][]value) ([]outcome, error) {
		out := make([][]outcome, len(all))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(4)
		for i, e := range all {
			g.Go(func() error {
				for _, code := range slices.Sorted(maps.Keys(found[i])) {
					if o, ok := c.byParameter(ctx, set, e, code, found[i][code]); ok {
						out[i] = append(out[i], o)
					}
				}
				return nil
			})
		}
		err := g.Wait()
		return slices.Concat(out...), err
	})
}

// compared runs f against a server that holds the examples, with what the other
// engine found in them.
func (s *source) compared(ctx context.Context, b *bench, f func(*client, *schema.Set, []example, []map[string][]value) ([]outcome, error)) ([]outcome, error) {
	set, err := s.set(b)
	if err != nil {
		return nil, err
	}
	return s.stored(ctx, b, func(c *client, all []example, refused map[string]string) ([]outcome, error) {
		all = slices.DeleteFunc(all, func(e example) bool { return refused[e.name] != "" })
		found, err := b.found(ctx, set, all)
		if err != nil {
			return nil, err
		}
		return f(c, set, all, found)
	})
}

// byParameter tries every value of one parameter of one example; ok is false
// when there is nothing in it that one could search for.
func (c *client) byParameter(ctx context.Context, set *schema.Set, e example, code string, found []value) (o outcome, ok bool) {
	o.name = fmt.Sprintf("%s %s", e.name, code)
	for _, v := range found {
		if v.Type == "error" {
			o.skipped = fmt.Sprintf("the other engine fails: %v", v.Value)
			return o, true
		}
	}
	asked := queries(set, e.typ, code, found)
	if len(asked) == 0 {
		o.skipped = unsearched(found)
		return o, o.skipped != ""
	}
	for _, a := range asked {
		if err := c.finds(ctx, e, a.query); err != nil {
			o.failed = err.Error()
			break
		}
	}
	return o, true
}

// unsearched says why values are not searched for although there are some. It is
// "" for what has nothing to search for: references to what is contained or with
// a display only, resources within, concepts and timings that are empty, text
// where a date could stand, composites without one of their parts.
func unsearched(found []value) string {
	for _, v := range found {
		if v.Type == "SampledData" {
			return "the specification does not say how samples are compared with a quantity"
		}
	}
	return ""
}

// queries are the searches that values stand for.
func queries(set *schema.Set, typ, code string, found []value) []ask {
	p := set.Param(typ, code)
	var out []ask
	for _, v := range found {
		var all []string
		modifier := ""
		if p.Kind == "composite" {
			all = composites(set, p, v)
		} else {
			all, modifier = asks(p.Kind, v)
		}
		for _, text := range all {
			out = append(out, ask{code, url.QueryEscape(code+modifier) + "=" + url.QueryEscape(text)})
		}
	}
	return out
}

// finds searches the type of an example, which must be among the results.
func (c *client) finds(ctx context.Context, e example, query string) error {
	status, raw, err := c.do(ctx, "GET", e.typ+"?_count=1000&_elements=id&"+query, nil, nil)
	if err := wrong("GET "+e.typ+"?"+query, http.StatusOK, status, raw, err); err != nil {
		return err
	}
	var bundle struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return fmt.Errorf("GET %s?%s: %w", e.typ, query, err)
	}
	for _, r := range bundle.Entry {
		if r.Resource.ID == e.id && r.Resource.ResourceType == e.typ {
			return nil
		}
	}
	return fmt.Errorf("GET %s?%s finds %d others, not this", e.typ, query, len(bundle.Entry))
}
