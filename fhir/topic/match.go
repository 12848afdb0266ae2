package topic

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A want is what one trigger of a subscription asks for: of a type of resource,
// what happens to those that meet all queries and the expression.
type want struct {
	typ     string
	causes  []vigil.NoticeCause
	queries []*search.Query
	path    *path.Expr
	set     *schema.Set
	of      map[string]bool // patients and other subjects that it is limited to
	all     bool            // it is not
}

// wants reads what a subscription asks for.
func (r *reader) wants(ctx context.Context, s *subscription) {
	criteria := r.root.Get("criteria")
	var filters []tree.Node
	for x := range r.root.Get("_criteria").Get("extension").Items() {
		if x.Get("url").Text() == filterExtension {
			filters = append(filters, x.Get("valueString"))
		}
	}
	if len(filters) > maxFilters {
		r.wrong(criteria, "too-costly", "at most %d filters", maxFilters)
		return
	}
	if front, _, _ := strings.Cut(s.criteria, "?"); !strings.Contains(front, ":") {
		r.plain(ctx, s, criteria, filters)
		return
	}
	if s.topic = byURL(s.criteria); s.topic == nil {
		r.wrong(criteria, "not-found", "there is no such topic here; the CapabilityStatement lists those that there are")
		return
	}
	switch s.content {
	case empty, idOnly, full:
	case "":
		s.content = empty
	default:
		r.wrong(r.root.Get("channel").Get("_payload"), "value", "the content is empty, id-only or full-resource")
	}
	for _, t := range s.topic.Triggers {
		s.wants = append(s.wants, r.trigger(ctx, criteria, t))
	}
	for _, f := range filters {
		r.filter(ctx, s, f)
	}
	if len(s.wants) == 0 && len(r.issues) == 0 {
		r.wrong(criteria, "required", "this topic needs a filter that names a type of resource, such as Encounter?status=finished")
	}
}

// plain reads the criteria of R4: a search.
func (r *reader) plain(ctx context.Context, s *subscription, criteria tree.Node, filters []tree.Node) {
	if len(filters) > 0 {
		r.wrong(criteria, "business-rule", "filters narrow a topic; these criteria are no topic")
	}
	typ, raw, _ := strings.Cut(s.criteria, "?")
	if t := r.desk.engine().Schema().Type(typ); t == nil || t.Kind != schema.Resource || t.Abstract {
		r.wrong(criteria, "value", "criteria are the canonical of a topic, or a search such as Observation?code=8867-4")
		return
	}
	w := want{typ: typ, causes: written(), set: r.desk.engine().Schema()}
	if q := r.query(ctx, criteria, typ, raw); q != nil {
		w.queries = append(w.queries, q)
	}
	s.wants = []want{w}
}

// trigger makes a want of a trigger.
func (r *reader) trigger(ctx context.Context, at tree.Node, t Trigger) want {
	w := want{typ: t.Type, causes: t.Causes, set: r.desk.engine().Schema()}
	if t.Query != "" {
		w.queries = append(w.queries, r.query(ctx, at, t.Type, t.Query))
	}
	if t.Path != "" {
		var err error
		if w.path, err = path.Compile(t.Path); err != nil {
			r.wrong(at, "exception", "the topic %s is wrong: %s", t.Type, err)
		}
	}
	return w
}

// filter narrows what a subscription asks for (canFilterBy of the topic).
func (r *reader) filter(ctx context.Context, s *subscription, f tree.Node) {
	typ, raw, ok := strings.Cut(f.Text(), "?")
	if !ok {
		typ, raw = "", f.Text()
	}
	if s.topic.Any {
		if t := r.desk.engine().Schema().Type(typ); t == nil || t.Kind != schema.Resource || t.Abstract {
			r.wrong(f, "value", "a filter of this topic begins with a type of resource, such as Encounter?status=finished")
			return
		}
		if !slices.ContainsFunc(s.wants, func(w want) bool { return w.typ == typ }) {
			causes := append(written(), vigil.NoticeDelete)
			s.wants = append(s.wants, want{typ: typ, causes: causes, set: r.desk.engine().Schema()})
		}
	}
	found := false
	for i := range s.wants {
		w := &s.wants[i]
		if typ != "" && w.typ != typ {
			continue
		}
		found = true
		if !s.topic.Any && !r.allowed(s.topic, w.typ, raw, f) {
			return
		}
		if q := r.query(ctx, f, w.typ, raw); q != nil {
			w.queries = append(w.queries, q)
		}
	}
	if !found {
		r.wrong(f, "value", "there are no events of %s in this topic", clip(typ))
	}
}

// allowed tells whether a topic can be filtered by the parameters of a query.
func (r *reader) allowed(t *Topic, typ, raw string, at tree.Node) bool {
	i := slices.IndexFunc(t.Filters, func(f Filter) bool { return f.Type == typ })
	for part := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		param, modifier, _ := strings.Cut(name, ":")
		if part == "" {
			continue
		}
		if i < 0 || !slices.Contains(t.Filters[i].Params, param) {
			r.wrong(at, "not-supported", "the topic %s cannot be filtered by %s of %s", t.Name, clip(param), typ)
			return false
		}
		if modifier != "" && !slices.Contains(t.Filters[i].Modifiers, modifier) {
			r.wrong(at, "not-supported", "the topic %s cannot be filtered by %s with :%s", t.Name, clip(param), clip(modifier))
			return false
		}
	}
	return true
}

// query reads search parameters that have to hold.
func (r *reader) query(ctx context.Context, at tree.Node, typ, raw string) *search.Query {
	q, issues := r.desk.engine().Parse(search.Request{Types: []string{typ}, Raw: raw, Now: vigil.InstantOf(r.desk.c.Now())})
	for _, i := range issues {
		r.wrong(at, "not-supported", "%s: %s", clip(i.Param), i.Msg)
	}
	if len(issues) > 0 {
		return nil
	}
	if q.Count >= 0 || q.Only || len(q.Sort) > 0 || q.Total != "" || q.Summary != "" || len(q.Elements) > 0 || len(q.Includes) > 0 ||
		q.Contained == "true" || q.Contained == "both" || q.Cursor != "" {
		r.wrong(at, "not-supported", "only parameters that resources have to meet can be used here")
		return nil
	}
	if err := q.Resolve(ctx, nobody{}, r.desk.c.Terms, search.Limits{}); err != nil {
		if errors.Is(err, errChained) {
			r.wrong(at, "not-supported", "chained parameters, _has and _list cannot be used here")
		} else {
			r.wrong(at, "processing", "%s", err)
		}
		return nil
	}
	return q
}

// nobody finds nothing: what needs other resources cannot be matched when one of
// them changes.
type nobody struct{}

var errChained = errors.New("a chain")

// Find fails.
func (nobody) Find(context.Context, *search.Query, func(vigil.Resource) error) error {
	return errChained
}

// meets tells whether a resource is what is wanted.
func (w *want) meets(cause vigil.NoticeCause, root tree.Node, subject string) bool {
	if !slices.Contains(w.causes, cause) || subject != "" && !w.all && !w.of[subject] {
		return false
	}
	for _, q := range w.queries {
		if !q.Match(root) {
			return false
		}
	}
	if w.path == nil {
		return true
	}
	ok, err := w.path.Bool(nil, path.ItemOf(w.set, root))
	return err == nil && ok
}

// subjects are those whose resources are wanted, or all.
type subjects struct {
	of  map[string]bool
	all bool
}

// subjectOf is the id of whom an Observation is about; "" where it takes a closer
// look.
func subjectOf(root tree.Node) string {
	if root.Get("resourceType").Text() != "Observation" {
		return ""
	}
	_, id, _ := strings.Cut(root.Get("subject").Get("reference").Text(), "/")
	if strings.ContainsAny(id, "/|#?") {
		return ""
	}
	return id
}

// limit finds out whose resources are wanted.
func (w *want) limit() {
	w.all = true
	for _, q := range w.queries {
		if ids, ok := patientsOf(q.Clause(w.typ)); ok {
			w.of, w.all = ids, false
			return
		}
	}
}

// patientsOf lists the patients that a clause is limited to.
func patientsOf(c search.Clause) (map[string]bool, bool) {
	switch c.Kind {
	case search.All:
		for _, k := range c.Kids {
			if ids, ok := patientsOf(k); ok {
				return ids, true
			}
		}
	case search.Any:
		out := map[string]bool{}
		for _, k := range c.Kids {
			ids, ok := patientsOf(k)
			if !ok {
				return nil, false
			}
			for id := range ids {
				out[id] = true
			}
		}
		return out, len(out) > 0
	case search.Param:
		if c.Code != "patient" && c.Code != "subject" || c.Modifier != "" {
			return nil, false
		}
		out := map[string]bool{}
		for _, o := range c.Operands {
			if o.Ref.ID == "" {
				return nil, false
			}
			out[o.Ref.ID] = true
		}
		return out, len(out) > 0
	case search.Everything, search.Nothing, search.None, search.IDs, search.Updated, search.Other:
	}
	return nil, false
}

// clip shortens what a client wrote.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
