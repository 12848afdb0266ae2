package rest

import (
	"bytes"
	"context"
	"net/http"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Load is one resource of many that are put where their ids say.
type Load struct {
	Type, ID string
	// Same says that there was such a version already: nothing was written.
	Same bool

	c     *call
	draft *draft
	// seen is the newest version when the load was made ready; its Version is 0
	// where there was none.
	seen vigil.Resource
	same bool // as seen
	made *vigil.Resource
}

// Ready does for a load what needs neither a turn to write nor the record: it
// validates, and finds out what the resource will be found by.
func (in *Invocation) Ready(ctx context.Context, doc *tree.Doc) (*Load, error) {
	s, c := in.server, in.call()
	c.method = http.MethodPut
	typ, err := s.typeOf(doc.Root())
	if err != nil {
		return nil, err
	}
	l := &Load{Type: typ, ID: doc.Root().Get("id").Text(), c: c}
	if err := in.Permit(ctx, typ, "update", true); err != nil {
		return l, err
	}
	switch {
	case l.ID == "":
		return l, Refuse(http.StatusBadRequest, "required", "what is loaded says its id").at("id")
	case !validID(l.ID):
		return l, bad("an id has 1 to 64 letters, digits, dashes and dots").at("id")
	}
	if err := complete(doc); err != nil {
		return l, err
	}
	if err := s.check(ctx, c, doc); err != nil {
		return l, err
	}
	l.draft = s.draft(typ, doc)
	return l, nil
}

// Look finds out what of loads is there already, all of a type at once. What was
// deleted counts as not there: Put finds out.
func (in *Invocation) Look(ctx context.Context, loads []*Load) error {
	s, types := in.server, map[string][]*Load{}
	for _, l := range loads {
		types[l.Type] = append(types[l.Type], l)
	}
	for typ, some := range types {
		ids := make([]string, len(some))
		for i, l := range some {
			ids[i] = l.ID
		}
		hits, err := s.c.Record.SelectResources(ctx, vigil.ResourceQuery{
			Types: []string{typ}, All: []vigil.ResourceTest{{IDs: ids}}, Limit: len(ids), Bodies: true,
		})
		if err != nil {
			return err
		}
		there := make(map[string]*vigil.Resource, len(hits))
		for i := range hits {
			there[hits[i].ID] = &hits[i].Resource
		}
		for _, l := range some {
			if old := there[l.ID]; old != nil {
				l.seen = *old
			} else if l.seen, err = s.shown(ctx, typ, l.ID, 0); err != nil && !isStatus(err, http.StatusNotFound) {
				return err
			}
			l.same = l.draft.is(l.seen)
		}
	}
	return nil
}

// is tells whether a version says the same as a draft.
func (d *draft) is(old vigil.Resource) bool {
	if lives(old) == 0 {
		return false
	}
	stamped := tree.Stamp{ID: old.ID, Version: versionText(old.Version), Updated: string(appendTime(nil, old.Changed))}.Apply(d.doc)
	if bytes.Equal(stamped, old.Body) {
		return true
	}
	was, err := tree.Parse(old.Body)
	if err != nil {
		return false
	}
	now, err := tree.Parse(stamped)
	return err == nil && tree.Equal(was.Root(), now.Root())
}

// Put writes loads in one transaction: all of them or, with an error, none.
func (in *Invocation) Put(ctx context.Context, loads []*Load) error {
	err := in.putAll(ctx, loads, true)
	if vigil.KindOf(err) == vigil.Conflicting && err != nil { // others wrote on them meanwhile
		err = in.putAll(ctx, loads, false)
	}
	if err != nil || in.server.c.Written == nil {
		return err
	}
	var written []vigil.Resource
	for _, l := range loads {
		if l.made != nil {
			written = append(written, *l.made)
		}
	}
	if len(written) > 0 {
		in.server.c.Written(ctx, written)
	}
	return nil
}

// putAll writes loads; trusting what was seen when they were made ready, which
// the record refuses where it is no longer so.
func (in *Invocation) putAll(ctx context.Context, loads []*Load, trusting bool) error {
	return in.server.c.Write(ctx, func(ctx context.Context, tx Tx) error {
		for _, l := range loads {
			l.Same, l.made = false, nil
			if err := in.server.putOne(ctx, tx, l, trusting); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) putOne(ctx context.Context, tx Tx, l *Load, trusting bool) error {
	old, same, shown := l.seen, l.same, false
	if !trusting || old.Version > 0 {
		var err error
		if old, shown, err = s.newest(ctx, tx, l.Type, l.ID); err != nil {
			return err
		}
		if old.Version != l.seen.Version || !trusting {
			same = l.draft.is(old)
		}
	}
	if same {
		l.Same = true
		return nil
	}
	if shown {
		if err := s.adopt(ctx, tx, l.Type, l.ID); err != nil {
			return err
		}
	}
	made, err := s.put(ctx, tx, l.c, l.draft, l.ID, old)
	l.made = &made
	return err
}

// Outcome says what went wrong, as an OperationOutcome; note, if any, is said
// before the first issue.
func Outcome(err error, note string) []byte {
	p := problemOf(err)
	issues := append([]Issue(nil), p.Issues...)
	if len(issues) > 0 && note != "" {
		issues[0].Text = note + ": " + issues[0].Text
	}
	return AppendOutcome(nil, issues...)
}
