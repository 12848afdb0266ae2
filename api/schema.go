package api

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vigil-iomt/vigil"
)

// document returns the empty OpenAPI document and how Go types appear in it.
func document() huma.Config {
	c := huma.DefaultConfig("Vigil", "1")
	c.Info.Description = "Patients, devices, readings, waves and events of one Vigil installation. " +
		"Times are RFC 3339 in UTC, units are UCUM, quality is a list of words and empty for a good reading."
	c.CreateHooks, c.SchemasPath, c.DocsPath = nil, "", ""
	c.Formats = formats()
	r := c.Components.Schemas
	alias := func(t, as reflect.Type) { r.RegisterTypeAlias(t, as) }
	alias(reflect.TypeFor[vigil.Instant](), reflect.TypeFor[time.Time]())
	alias(reflect.TypeFor[vigil.Quality](), reflect.TypeFor[[]string]())
	alias(reflect.TypeFor[vigil.RawJSON](), reflect.TypeFor[json.RawMessage]())
	alias(reflect.TypeFor[pageBody](), reflect.TypeFor[readingPage]())
	alias(reflect.TypeFor[latestBody](), reflect.TypeFor[latestList]())
	alias(reflect.TypeFor[samples](), reflect.TypeFor[[]*int32]())
	return c
}

// tidy says in the document what holds of every answer: lists are never null,
// and the two things that may be absent are.
func tidy(doc *huma.OpenAPI) {
	all := doc.Components.Schemas.Map()
	for _, s := range all {
		tidySchema(s)
	}
	orNull(all["Bed"], "patient")
	orNull(all["Stray"], "location")
}

// orNull says that a property may be null, which huma cannot say of objects.
func orNull(s *huma.Schema, name string) {
	p := s.Properties[name]
	s.Properties[name] = &huma.Schema{
		Description: p.Description, OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
	}
}

// tidySchema makes lists not nullable, at any depth.
func tidySchema(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	tidySchema(s.Items)
	for _, p := range s.Properties {
		tidySchema(p)
	}
}
