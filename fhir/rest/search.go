package rest

import (
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// The bounds of a search.
const (
	maxLooks    = 20_000 // resources whose bodies one request looks into
	maxGathered = 10_000 // matches that are sorted in memory
	freeCount   = 2_000  // index entries that a count may cost when nobody asked for it
)

// A hunt is one search under way.
type hunt struct {
	s       *Server
	c       *call
	q       *search.Query
	plan    search.Plan
	origins []origin
	stops   []func() // what ends the streams of sources
	shape   shape
	count   int
	address string // of the links
	issues  []Issue
	looks   int // bodies that were looked into
}

// search is a search of a type, of everything, or of a compartment
// (search.html, http.html#search).
func (s *Server) search(ctx context.Context, c *call) (*answer, error) {
	h, err := s.hunt(ctx, c)
	if err != nil {
		return nil, err
	}
	defer h.end()
	b := newBundle("searchset")
	b.body = s.buffers.get()
	if h.q.Only {
		b.total, err = h.total(ctx)
		if err != nil {
			return nil, err
		}
		b.linkTo("self", h.address, h.q.Self(), "")
		return h.finish(b)
	}
	page, err := h.page(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := h.countMatches(ctx, b, page); err != nil {
		return nil, err
	}
	h.links(b, page)
	included, err := h.included(ctx, page.matches)
	if err != nil {
		return nil, err
	}
	for i := range included {
		if err := h.add(b, &included[i], "include"); err != nil {
			return nil, err
		}
	}
	return h.finish(b)
}

// end gives back what the streams hold.
func (h *hunt) end() {
	for _, stop := range h.stops {
		stop()
	}
}

// finish adds what was not understood and answers.
func (h *hunt) finish(b *bundle) (*answer, error) {
	if len(h.issues) > 0 {
		b.outcome(h.issues)
	}
	head, tail := b.frame(h.c.now)
	a := &answer{status: http.StatusOK, parts: [][]byte{head, b.body, tail}}
	a.done = func() { h.s.buffers.put(b.body) }
	return a, nil
}

// add puts a resource into the answer, cut down as the client wants.
func (h *hunt) add(b *bundle, m *match, mode string) error {
	if mode == "match" && h.q.ContainedType == "contained" && h.q.Contained != "false" {
		return h.addContained(b, m)
	}
	body := m.body
	if h.shape.cuts() {
		var err error
		if body, err = h.s.cut(&h.shape, m.typ, body); err != nil {
			return err
		}
	}
	b.hit(h.c.base, m.typ, m.id, body, mode)
	return nil
}

// addContained puts the resources that match within another one into the answer
// (search.html#contained); one that matches itself when that is wanted, too.
func (h *hunt) addContained(b *bundle, m *match) error {
	doc, err := tree.Parse(m.body)
	if err != nil {
		return vigil.Errorf(vigil.Internal, "a resource cannot be read: %w", err)
	}
	inner := h.q.MatchContained(doc.Root())
	for _, n := range inner {
		b.hit(h.c.base, m.typ, m.id+"#"+n.Get("id").Text(), n.Raw(), "match")
	}
	if len(inner) == 0 {
		b.hit(h.c.base, m.typ, m.id, m.body, "match")
	}
	return nil
}

// hunt reads what is searched for.
func (s *Server) hunt(ctx context.Context, c *call) (*hunt, error) {
	raw, err := c.parameters()
	if err != nil {
		return nil, err
	}
	if err := c.posted(raw); err != nil {
		return nil, err
	}
	req := search.Request{Raw: raw, Base: c.base, Now: c.now}
	h := &hunt{s: s, c: c, address: c.base}
	within := len(c.path) > 2
	switch {
	case within && c.path[2] != "*":
		req.Types = []string{c.path[2]}
	case !within && c.typ != "":
		req.Types = []string{c.typ}
	}
	for _, p := range c.path {
		if p != "_search" {
			h.address += "/" + url.PathEscape(p)
		}
	}
	var issues []search.Issue
	h.q, issues = s.engine().Parse(req)
	if h.issues, err = weigh(issues, c.prefer.strict); err != nil {
		return nil, err
	}
	if within && !h.q.Compartment(c.typ, c.id) {
		return nil, notFound("%s is no part of the compartment of %s", clip(c.path[2]), c.typ)
	}
	return h, h.prepare(ctx)
}

// posted takes what shapes the answer out of a form that was posted.
func (c *call) posted(raw string) error {
	if c.nested() || c.method != http.MethodPost {
		return nil
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return bad("the form is not encoded rightly")
	}
	if f := v.Get("_format"); f != "" {
		if c.form, err = wanted(c.http, f); err != nil {
			return err
		}
	}
	c.shape, err = shapeOf(v)
	return err
}

// weigh sorts what was not understood: what is refused, and what is only told
// (search.html#errors).
func weigh(issues []search.Issue, strict bool) ([]Issue, error) {
	var told []Issue
	p := &Problem{Status: http.StatusBadRequest}
	for _, i := range issues {
		out := Issue{Code: i.Code, Text: i.Msg, Expression: i.Param}
		if i.Unknown && !strict {
			out.Severity = "warning"
			told = append(told, out)
			continue
		}
		p.Issues = append(p.Issues, out)
	}
	if len(p.Issues) > 0 {
		return nil, p
	}
	return told, nil
}

// prepare settles how the matches are found, and in which order they come.
func (h *hunt) prepare(ctx context.Context) error {
	h.count = h.q.Count
	if h.count < 0 {
		h.count = defaultCount
	}
	h.count = min(h.count, maxCount)
	h.shape = shape{summary: h.q.Summary, elements: h.q.Elements}
	if h.shape.summary == "false" {
		h.shape.summary = ""
	}
	if len(h.q.Elements) > maxElements {
		h.shape.elements = h.q.Elements[:maxElements]
	}
	h.origins = h.s.origins(h.q.Types)
	if len(h.origins) > 0 && len(h.q.Sort) == 0 && len(h.q.Types) == 1 && h.s.engine().Param(h.q.Types[0], "date") != nil {
		h.q.Sort = []search.SortKey{{Param: "date", Desc: true}} // the newest reading comes first
	}
	if err := h.s.resolve(ctx, h.q, finder{h.s, h}); err != nil {
		return err
	}
	h.plan = h.q.Plan()
	return nil
}

// look counts a body that was looked into. A search that looks into too many
// is given up, so that no query costs more than that.
func (h *hunt) look() error {
	if h.looks++; h.looks > maxLooks {
		return tooCostly()
	}
	return nil
}

// tooCostly is the end of a search that costs too much.
func tooCostly() error {
	return Refuse(http.StatusUnprocessableEntity, "too-costly", "this search looks at too many resources; ask for less, such as one patient, code or time")
}

// costly turns the store's refusal into that of a search.
func costly(err error) error {
	var p *Problem
	if err != nil && !errors.As(err, &p) && vigil.KindOf(err) == vigil.TooLarge {
		return tooCostly()
	}
	return err
}

// total counts all matches.
func (h *hunt) total(ctx context.Context) (int, error) {
	n, err := h.stored(ctx, 0)
	for _, o := range h.origins {
		if err != nil {
			break
		}
		var more int
		more, err = o.Total(ctx, o.typ, h.q)
		n += more
	}
	return n, costly(err)
}

// stored counts the matches in the record. With a cost it gives up, with -1,
// what costs more.
func (h *hunt) stored(ctx context.Context, cost int) (int, error) {
	if h.plan.Nothing {
		return 0, nil
	}
	if !h.plan.Check {
		q := h.plan.Query
		q.Cost = cost
		n, exact, err := h.s.c.Record.CountResources(ctx, q)
		if cost > 0 && (!exact || vigil.KindOf(err) == vigil.TooLarge && err != nil) {
			return -1, nil
		}
		if err == nil && !exact {
			err = tooCostly()
		}
		return int(n), err
	}
	if cost > 0 {
		return -1, nil
	}
	st := h.shelf(nil, maxCount)
	for n := 0; ; n++ {
		m, err := st.next(ctx)
		if m == nil || err != nil {
			return n, err
		}
	}
}

// countMatches tells how many matches there are, when that is asked for or
// costs next to nothing (search.html#total).
func (h *hunt) countMatches(ctx context.Context, b *bundle, p *page) error {
	var err error
	switch {
	case h.q.Total == "accurate":
		b.total, err = h.total(ctx)
	case p.whole && h.q.Cursor == "":
		b.total = p.n
	case h.q.Total != "none" && len(h.origins) == 0:
		b.total, err = h.stored(ctx, freeCount)
	}
	return costly(err)
}

// links adds the addresses of this page and of those around it.
func (h *hunt) links(b *bundle, p *page) {
	self := h.q.Self()
	b.linkTo("self", h.address, self, h.q.Cursor)
	b.linkTo("first", h.address, self, "")
	if p.previous != nil {
		cursor := ""
		if len(p.previous.Before) > 0 || p.previous.begins() {
			cursor = h.seal(p.previous)
		}
		b.linkTo("previous", h.address, self, cursor)
	}
	if p.next != nil {
		b.linkTo("next", h.address, self, h.seal(p.next))
	}
}

// purpose ties a cursor to its search.
func (h *hunt) purpose() string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(strings.TrimPrefix(h.address, h.c.base) + "?" + h.q.Self()))
	return "search " + strconv.FormatUint(sum.Sum64(), 36)
}
