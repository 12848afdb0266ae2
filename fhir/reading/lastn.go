package reading

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
	"github.com/vigil-iomt/vigil/fhir/search"
)

// Last calls f with the newest limit Observations of each code that a query
// wants (observation-operation-lastn.html), code by code, the newest first.
func (s *Source) Last(ctx context.Context, q Query, limit int, f func(Hit) error) error {
	q.Asc, q.After = false, ""
	o, err := q.prepare()
	if err != nil {
		return err
	}
	groups, err := s.groupsFor(ctx, o)
	if err != nil {
		return err
	}
	for _, same := range byCode(groups) {
		m, err := s.merge(ctx, o, same)
		if err != nil {
			return err
		}
		feed := Feed{s: s, from: m, want: o}
		if err := newest(ctx, &feed, limit, f); err != nil {
			return err
		}
	}
	return s.lastEvents(ctx, o, limit, f)
}

// newest calls f with the first limit hits of a feed, and with those that were
// taken at the time of the last of them.
func newest(ctx context.Context, feed *Feed, limit int, f func(Hit) error) error {
	last := vigil.Instant(0)
	for n := 0; ; n++ {
		h, err := feed.Next(ctx)
		if err != nil || !h.Ok() || n >= limit && h.At() != last {
			return err
		}
		last = h.At()
		if err := f(h); err != nil {
			return err
		}
	}
}

// lastEvents does it for the Observations of each template that are made of
// events.
func (s *Source) lastEvents(ctx context.Context, o *want, limit int, f func(Hit) error) error {
	from, err := s.withEvents(ctx, o, &list{})
	if err != nil {
		return err
	}
	feed := Feed{s: s, from: from, want: o}
	given := map[*iomt.Template]int{}
	for {
		h, err := feed.Next(ctx)
		if !h.Ok() || err != nil {
			return err
		}
		t := h.r.g.template
		if given[t] == limit {
			continue
		}
		given[t]++
		if err := f(h); err != nil {
			return err
		}
	}
}

// byCode puts groups with the same code together, in the order of their first
// series. Two codings for the same thing are the same code when they share one.
func byCode(groups []*group) [][]*group {
	var out [][]*group
	index := map[string]int{}
	for _, g := range groups {
		at := -1
		for _, c := range g.codes() {
			if i, ok := index[c.System+"|"+c.Value]; ok {
				at = i
				break
			}
		}
		if len(g.codes()) == 0 {
			if i, ok := index[g.title()]; ok {
				at = i
			}
		}
		if at < 0 {
			at = len(out)
			out = append(out, nil)
		}
		out[at] = append(out[at], g)
		for _, c := range g.codes() {
			index[c.System+"|"+c.Value] = at
		}
		if len(g.codes()) == 0 {
			index[g.title()] = at
		}
	}
	return out
}

// errEnough ends a walk when nobody wants more.
var errEnough = errors.New("enough")

// Newest gives the newest Observations of each code that a query asks for, limit
// of each, code by code; more where only the query itself can say which of them
// fit. A body is good until the next one.
func (s *Source) Newest(ctx context.Context, q *search.Query, limit int) iter.Seq2[vigil.ResourceHit, error] {
	want, rest := s.translate(Observation, q)
	if rest {
		limit = math.MaxInt
	}
	return func(yield func(vigil.ResourceHit, error) bool) {
		p := projector{s: s, typ: Observation, q: q, rest: rest}
		err := s.Last(ctx, want, limit, func(h Hit) error {
			hit, ok, err := p.project(h)
			if ok && err == nil && !yield(hit, nil) {
				return errEnough
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(vigil.ResourceHit{}, err)
		}
	}
}
