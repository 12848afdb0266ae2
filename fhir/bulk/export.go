package bulk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// export does the steps of an export: one for each type, and before them one for
// what the client wanted and does not get.
func (s *Service) export(in *rest.Invocation, j *job) error {
	people, err := s.people(in, j)
	if err != nil {
		return err
	}
	if j.Step == 0 {
		if err := s.notes(j); err != nil {
			return err
		}
	}
	for j.Step <= len(j.Export.Types) {
		typ := j.Export.Types[j.Step-1]
		if err := s.exportType(in, j, typ, people); err != nil {
			return err
		}
	}
	return nil
}

// notes writes what was left out.
func (s *Service) notes(j *job) error {
	w := s.writer(j)
	defer w.close()
	for _, n := range j.Export.Notes {
		line := rest.AppendOutcome(nil, rest.Issue{Severity: "warning", Code: "not-supported", Text: n})
		if err := w.line("error", "OperationOutcome", "", line); err != nil {
			return err
		}
	}
	return s.stepped(j, w)
}

// people lists the patients whose resources are wanted, nil for all resources.
func (s *Service) people(in *rest.Invocation, j *job) ([]string, error) {
	ask := j.Export
	switch {
	case ask.Level == "system":
		return nil, nil
	case ask.Level == "group":
		return members(j.ctx, in, ask.Group, ask.Patients)
	case len(ask.Patients) > 0:
		return ask.Patients, nil
	}
	q, err := in.Seek(j.ctx, "Patient", "", nil)
	if err != nil {
		return nil, err
	}
	all := []string{}
	err = in.Walk(j.ctx, q, func(r vigil.Resource) error {
		all = append(all, r.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	h := harvest{s: s, j: j, typ: "Patient"}
	err = h.changes(j.At, func(r *vigil.Resource) {
		if r.Deleted && !slices.Contains(all, r.ID) { // there was one at the time of the export
			all = append(all, r.ID)
		}
	})
	return all, err
}

// members lists the patients of a group; only those named, if any are.
func members(ctx context.Context, in *rest.Invocation, group string, named []string) ([]string, error) {
	r, err := in.Read(ctx, "Group", group, "")
	if err != nil {
		return nil, err
	}
	doc, err := tree.Parse(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read group: %w", err)
	}
	all := []string{}
	for m := range doc.Root().Get("member").Items() {
		id, ok := strings.CutPrefix(strings.TrimPrefix(m.Get("entity").Get("reference").Text(), in.Base+"/"), "Patient/")
		id, _, _ = strings.Cut(id, "/_history/")
		if ok && vigil.ValidID(id) && !m.Get("inactive").Bool() && !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	for _, id := range named {
		if !slices.Contains(all, id) {
			return nil, rest.Refuse(http.StatusBadRequest, "not-found", "a patient that is named is not a member of the group")
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	return all, nil
}

// known refuses patients that are not there.
func known(ctx context.Context, in *rest.Invocation, patients []string) error {
	for _, id := range patients {
		if _, err := in.Read(ctx, "Patient", id, ""); err != nil {
			return rest.Refuse(http.StatusBadRequest, "not-found", "a patient that is named is not there")
		}
	}
	return nil
}

// peopleAtOnce is how many patients one query names.
const peopleAtOnce = 200

// A harvest is one type on its way into files.
type harvest struct {
	s    *Service
	in   *rest.Invocation
	j    *job
	w    *writer
	typ  string
	asks []*search.Query
	// withdrawn are queries for readings that were entered in error, which are
	// shown only to who asks for them; late are ids to look at in the end.
	withdrawn []*search.Query
	late      map[string]bool
	// moved are queries for readings that became somebody else's.
	moved []*search.Query
	// people are the patients whose resources are wanted, in groups.
	people [][]string
	// seen are the resources that were written, where several queries may find
	// the same.
	seen map[uint64]struct{}
	seed maphash.Seed
}

// exportType is one step of an export.
func (s *Service) exportType(in *rest.Invocation, j *job, typ string, people []string) error {
	h := &harvest{s: s, in: in, j: j, w: s.writer(j), typ: typ, seed: maphash.MakeSeed(), late: map[string]bool{}}
	defer h.w.close()
	s.change(j, func() { j.at, j.count = typ, 0 })
	err := h.queries(people)
	if err == nil {
		err = h.gather()
	}
	if err == nil {
		err = h.changed()
	}
	if err == nil && j.Export.Since != 0 {
		err = h.deleted()
	}
	if vigil.KindOf(err) == vigil.Forbidden && err != nil && !j.Export.Named {
		line := rest.Outcome(err, typ)
		err = h.w.line("error", "OperationOutcome", "", line)
	}
	if err != nil {
		return err
	}
	return s.stepped(j, h.w)
}

// queries gets the queries of the type ready.
func (h *harvest) queries(people []string) error {
	raw := h.j.Export.Filters[h.typ]
	if len(raw) == 0 {
		raw = []string{""}
	}
	h.people = [][]string{nil}
	if people != nil {
		h.people = slices.Collect(slices.Chunk(people, peopleAtOnce))
	}
	for _, r := range raw {
		for _, g := range h.people {
			q, err := h.in.Seek(h.j.ctx, h.typ, h.window(r), g)
			if err != nil {
				return err
			}
			if q == nil {
				continue
			}
			h.asks = append(h.asks, q)
			if h.typ != "Observation" || strings.Contains(r, "status") {
				continue
			}
			if q, err = h.in.Seek(h.j.ctx, h.typ, and(h.window(r), "status=entered-in-error"), g); err != nil {
				return err
			}
			h.withdrawn = append(h.withdrawn, q)
		}
	}
	if len(h.asks) > 1 {
		h.seen = map[uint64]struct{}{}
	}
	return h.movedQueries(raw)
}

// movedQueries gets the queries ready for what was moved since the time that was
// named.
func (h *harvest) movedQueries(raw []string) error {
	if h.j.Export.Since == 0 || h.typ != "Observation" || h.s.c.Moved == nil {
		return nil
	}
	for _, moved := range h.s.c.Moved(h.j.Export.Since) {
		h.seen = map[uint64]struct{}{}
		for _, r := range raw {
			for _, g := range h.people {
				for _, status := range []string{"", "status=entered-in-error"} {
					q, err := h.in.Seek(h.j.ctx, h.typ, and(and(r, moved), status), g)
					if err != nil {
						return err
					}
					h.moved = append(h.moved, q)
				}
			}
		}
	}
	return nil
}

// window narrows a query to what changed since the time that was named.
func (h *harvest) window(raw string) string {
	if h.j.Export.Since == 0 {
		return raw
	}
	return and(raw, "_lastUpdated=ge"+h.j.Export.Since.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
}

// and adds a condition to a query.
func and(raw, condition string) string {
	if raw == "" || condition == "" {
		return raw + condition
	}
	return raw + "&" + condition
}

// wanted tells whether a version changed within the times that are wanted. Times
// are written in milliseconds: the one that _since names is had already.
func (h *harvest) wanted(r *vigil.Resource) bool {
	ask := h.j.Export
	return !r.Deleted && r.Changed <= h.j.At && (ask.Since == 0 || r.Changed >= ask.Since-ask.Since%millisecond+millisecond) &&
		(ask.Until == 0 || r.Changed < ask.Until)
}

// gather writes what the queries find.
func (h *harvest) gather() error {
	for _, q := range h.asks {
		err := h.in.Walk(h.j.ctx, q, func(r vigil.Resource) error {
			if err := h.j.ctx.Err(); err != nil {
				return err
			}
			if r.Changed > h.j.At {
				return h.before(r)
			}
			return h.write(&r)
		})
		if err != nil {
			return err
		}
	}
	for _, q := range h.withdrawn {
		err := h.in.WalkShown(h.j.ctx, q, func(r vigil.Resource) error {
			if r.Changed > h.j.At { // it was not yet withdrawn, and may be written
				h.late[r.ID] = true
				return h.j.ctx.Err()
			}
			return h.write(&r)
		})
		if err != nil {
			return err
		}
	}
	for _, q := range h.moved {
		err := h.in.WalkShown(h.j.ctx, q, func(r vigil.Resource) error {
			if err := h.j.ctx.Err(); err != nil || r.Changed > h.j.At {
				return err
			}
			return h.put(&r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// before writes the version of a resource that the export shows instead of a
// later one.
func (h *harvest) before(r vigil.Resource) error {
	if r.Version == 1 {
		return nil // there was none
	}
	was, err := h.in.AsOf(h.j.ctx, r.Type, r.ID, h.j.At)
	if err != nil || was.Deleted {
		return absent(err)
	}
	doc, err := tree.Parse(was.Body)
	if err != nil {
		return fmt.Errorf("read resource: %w", err)
	}
	for _, q := range h.asks {
		if q.Match(doc.Root()) {
			return h.write(&was)
		}
	}
	return nil
}

// absent takes it for nothing that there is no such resource.
func absent(err error) error {
	var p *rest.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// write writes a resource, unless it is not wanted.
func (h *harvest) write(r *vigil.Resource) error {
	if !h.wanted(r) {
		return nil
	}
	return h.put(r)
}

// put writes a resource, unless that was done.
func (h *harvest) put(r *vigil.Resource) error {
	if h.seen != nil {
		k := maphash.String(h.seed, r.ID)
		if _, ok := h.seen[k]; ok {
			return nil
		}
		h.seen[k] = struct{}{}
	}
	body := r.Body
	if e := h.j.Export.Elements; len(e) > 0 {
		var err error
		if body, err = h.in.Cut(r.Type, elementsOf(e, r.Type), body); err != nil {
			return err
		}
	}
	h.s.change(h.j, func() { h.j.count++ })
	return h.w.line("output", r.Type, "", body)
}

// elementsOf are the names of elements that are meant for a type.
func elementsOf(all []string, typ string) []string {
	var out []string
	for _, e := range all {
		if of, name, ok := strings.Cut(strings.TrimSpace(e), "."); !ok {
			out = append(out, of)
		} else if of == typ {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{"id"} // elements of other types only
	}
	return out
}

// changesAtOnce is how many versions are looked at together.
const changesAtOnce = 1000

// changes calls f with the versions of the type that were written behind a time.
func (h *harvest) changes(after vigil.Instant, f func(r *vigil.Resource)) error {
	for place := int64(after); ; {
		some, err := h.s.c.Changes(h.j.ctx, []string{h.typ}, place, changesAtOnce)
		if err != nil {
			return err
		}
		for i := range some {
			f(&some[i])
			place = some[i].Written
		}
		if len(some) < changesAtOnce {
			return nil
		}
	}
}

// changed writes what was there at the time of the export and was changed or
// deleted before the queries came to it.
func (h *harvest) changed() error {
	ids := h.late
	err := h.changes(h.j.At, func(r *vigil.Resource) {
		if r.Changed > h.j.At && r.Version > 1 {
			ids[r.ID] = true
		}
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	var doc tree.Doc
	err = h.w.reread(h.j.ctx, "output", h.typ, func(line []byte) error {
		if err := doc.Read(line); err != nil {
			return fmt.Errorf("read bulk file: %w", err)
		}
		delete(ids, doc.Root().Get("id").Text())
		return nil
	})
	if err != nil {
		return err
	}
	for id := range ids {
		if err := h.before(vigil.Resource{Type: h.typ, ID: id}); err != nil {
			return err
		}
	}
	return nil
}

// deleted writes what was deleted since the time that was named, as transactions
// that would delete it elsewhere.
func (h *harvest) deleted() error {
	gone := map[string]int64{}
	err := h.changes(h.j.Export.Since, func(r *vigil.Resource) {
		switch {
		case r.Changed > h.j.At:
		case r.Deleted && r.Version > 1:
			gone[r.ID] = r.Version
		default:
			delete(gone, r.ID)
		}
	})
	if err != nil {
		return err
	}
	for id, version := range gone {
		ours, err := h.ours(id, version)
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		line := fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"%s/%s"}}]}`, h.typ, id)
		if err := h.w.line("deleted", "Bundle", "", line); err != nil {
			return err
		}
	}
	return nil
}

// ours tells whether a deleted resource was one of the patients whose resources
// are wanted, by what it said last.
func (h *harvest) ours(id string, version int64) (bool, error) {
	if h.j.Export.Level == "system" {
		return true, nil
	}
	was, err := h.in.Read(h.j.ctx, h.typ, id, fmt.Sprint(version-1))
	if err != nil {
		return false, absent(err)
	}
	doc, err := tree.Parse(was.Body)
	if err != nil {
		return false, fmt.Errorf("read resource: %w", err)
	}
	for _, g := range h.people {
		q, err := h.in.Seek(h.j.ctx, h.typ, "", g)
		if err != nil || q != nil && q.Match(doc.Root()) {
			return err == nil, err
		}
	}
	return false, nil
}
