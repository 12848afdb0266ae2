package reading

import (
	"context"

	"github.com/vigil-iomt/vigil/devices/iomt"
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
		for range limit {
			h, err := feed.Next(ctx)
			if err != nil {
				return err
			}
			if !h.Ok() {
				break
			}
			if err := f(h); err != nil {
				return err
			}
		}
	}
	return s.lastEvents(ctx, o, limit, f)
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
