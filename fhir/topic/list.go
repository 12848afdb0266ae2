package topic

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// crossVersion begins the extensions by which R4 carries elements of R5
// (versions.html#extensions).
const crossVersion = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."

// Listed shows the topics as resources. R4 has no SubscriptionTopic: each is a
// Basic with its elements as extensions.
type Listed struct {
	record Record
	since  vigil.Instant // when the server started
}

var _ rest.Source = (*Listed)(nil)

// NewListed returns the list of topics as a source of resources. What somebody
// has written on one is in the record, and no longer here.
func NewListed(record Record, since vigil.Instant) *Listed {
	return &Listed{record, since - since%1000}
}

// Types are the types of resource that are shown.
func (*Listed) Types() []string { return []string{"Basic"} }

// idOf is the id of the resource of a topic.
func idOf(t *Topic) string { return "subscription-topic-" + t.Name }

// resource is a topic as a resource.
func (x *Listed) resource(t *Topic) vigil.Resource {
	id := idOf(t)
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Basic").Text("id", id)
	w.Name("meta").Object().Text("versionId", "1").Text("lastUpdated", x.since.String()).End()
	w.Name("extension").Array()
	value := func(name, kind, v string) { w.Object().Text("url", crossVersion+name).Text(kind, v).End() }
	value("url", "valueUri", t.URL())
	value("version", "valueString", topicVersion)
	value("title", "valueString", t.Title)
	value("description", "valueMarkdown", t.Text)
	part := func(name, kind, v string) { w.Object().Text("url", name).Text(kind, v).End() }
	triggers := t.Triggers
	if t.Any {
		triggers = []Trigger{{Type: "Resource", Causes: append(written(), vigil.NoticeDelete)}}
	}
	for _, g := range triggers {
		w.Object().Text("url", crossVersion+"resourceTrigger").Name("extension").Array()
		part("resource", "valueUri", "http://hl7.org/fhir/StructureDefinition/"+g.Type)
		for _, c := range g.Causes {
			part("supportedInteraction", "valueCode", string(c))
		}
		if g.Query != "" {
			w.Object().Text("url", "queryCriteria").Name("extension").Array()
			part("current", "valueString", g.Query)
			w.End().End()
		}
		if g.Path != "" {
			part("fhirPathCriteria", "valueString", g.Path)
		}
		w.End().End()
	}
	for _, f := range t.Filters {
		for _, p := range f.Params {
			w.Object().Text("url", crossVersion+"canFilterBy").Name("extension").Array()
			part("resource", "valueUri", f.Type)
			part("filterParameter", "valueString", p)
			for _, m := range f.Modifiers {
				part("modifier", "valueCode", m)
			}
			w.End().End()
		}
	}
	w.End()
	w.Name("modifierExtension").Array()
	value("status", "valueCode", "active")
	w.End()
	w.Name("code").Object().Name("coding").Array().Object().Text("system", "http://hl7.org/fhir/fhir-types").Text("code", "SubscriptionTopic").End().End()
	w.Text("text", t.Title).End().End()
	return vigil.Resource{Type: "Basic", ID: id, Version: 1, Changed: x.since, Method: "PUT", Actor: Actor(), Body: w.Bytes()}
}

// Read returns a topic.
func (x *Listed) Read(_ context.Context, typ, id string, version int64) (vigil.Resource, error) {
	for _, t := range topics() {
		if idOf(t) == id && version <= 1 {
			return x.resource(t), nil
		}
	}
	return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is no such %s", typ)
}

// History returns the one version of a topic.
func (x *Listed) History(ctx context.Context, typ, id string) ([]vigil.Resource, error) {
	r, err := x.Read(ctx, typ, id, 0)
	if err != nil {
		return nil, err
	}
	return []vigil.Resource{r}, nil
}

// found lists the topics that a query asks for, in its order.
func (x *Listed) found(ctx context.Context, q *search.Query) ([]vigil.ResourceHit, error) {
	type ranked struct {
		vigil.ResourceHit
		rank string
	}
	var list []ranked
	for _, t := range topics() {
		r := x.resource(t)
		doc, err := tree.Parse(r.Body)
		if err != nil || !q.Match(doc.Root()) {
			continue
		}
		switch _, err := x.record.Resource(ctx, r.Type, r.ID); {
		case err == nil:
			continue
		case vigil.KindOf(err) != vigil.NotFound:
			return nil, err
		}
		hit := ranked{ResourceHit: vigil.ResourceHit{Resource: r, Mark: vigil.ResourceMark{Value: int64(r.Changed), Text: r.ID}}}
		if len(q.Sort) > 0 {
			hit.rank = q.Rank(q.Extract(doc.Root()))
		}
		list = append(list, hit)
	}
	slices.SortFunc(list, func(a, b ranked) int {
		return cmp.Or(strings.Compare(a.rank, b.rank), strings.Compare(a.ID, b.ID))
	})
	out := make([]vigil.ResourceHit, len(list))
	for i := range list {
		out[i] = list[i].ResourceHit
	}
	return out, nil
}

// Search gives the topics that a query asks for.
func (x *Listed) Search(ctx context.Context, _ string, q *search.Query, after *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error] {
	return func(yield func(vigil.ResourceHit, error) bool) {
		list, err := x.found(ctx, q)
		if err != nil {
			yield(vigil.ResourceHit{}, err)
			return
		}
		if after != nil {
			i := slices.IndexFunc(list, func(h vigil.ResourceHit) bool { return h.ID == after.Text })
			list = list[i+1:]
		}
		for _, h := range list {
			if !yield(h, nil) {
				return
			}
		}
	}
}

// Total counts them.
func (x *Listed) Total(ctx context.Context, _ string, q *search.Query) (int, error) {
	list, err := x.found(ctx, q)
	return len(list), err
}
