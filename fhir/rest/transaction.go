package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A transaction is all of its entries or none (http.html#transaction).
type transaction struct {
	s       *Server
	c       *call
	entries []*entry
	writes  []*entry // in the order in which they are carried out
	reads   []*entry
	targets targets
	// found keeps what conditional references lead to: many entries ask the
	// same.
	found map[string]string
}

// transaction carries out a transaction: what can be done outside of the
// record's transaction is, and then everything is settled and written in one.
func (s *Server) transaction(ctx context.Context, c *call, entries []*entry) (*answer, error) {
	t := &transaction{s: s, c: c, entries: entries}
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	if len(t.writes) > 0 {
		if err := s.c.Write(ctx, t.write); err != nil {
			return nil, err
		}
	}
	intents := make([]*intent, len(t.writes))
	for i, e := range t.writes {
		intents[i] = e.in
		e.answer = s.done(e.in)
	}
	s.tell(ctx, intents...)
	for _, e := range t.reads {
		a, err := e.step.run(ctx, e.c)
		if err == nil {
			err = s.shaped(e.c, a)
		}
		if err != nil { // what was written stays written, and is answered for
			e.problem = e.place(problemOf(err))
			continue
		}
		e.answer = a
	}
	return answers("transaction-response", entries), nil
}

// failed says in which entry a transaction has failed.
func (e *entry) failed(err error) error {
	if p := problemOf(err); p.Status != http.StatusInternalServerError {
		return e.place(p)
	}
	return err
}

// prepare reads all entries, checks them, and finds their links.
func (t *transaction) prepare(ctx context.Context) error {
	for _, e := range t.entries {
		if e.problem != nil {
			return e.problem
		}
		if err := t.enter(ctx, e); err != nil {
			return e.failed(err)
		}
	}
	rank := map[string]int{http.MethodDelete: 0, http.MethodPost: 1, http.MethodPut: 2, http.MethodPatch: 2}
	slices.SortStableFunc(t.writes, func(a, b *entry) int { return rank[a.c.method] - rank[b.c.method] })
	if err := t.name(); err != nil {
		return err
	}
	for _, e := range t.writes {
		if e.in.doc == nil {
			continue
		}
		e.links = t.targets.collect(e.in.doc, e.in.typ, e.fullURL)
		if loose := e.links.loose; loose.Ok() {
			return e.failed(Refuse(http.StatusUnprocessableEntity, "not-found", "%s is in no entry of this Bundle", clip(loose.Text())).at(loose.Path()))
		}
		e.in.id = e.in.preliminary()
	}
	t.found = t.guess(ctx)
	return t.draft(t.writes)
}

// guess looks up where conditional references lead before the transaction, so
// that most drafts can be made outside of it.
func (t *transaction) guess(ctx context.Context) map[string]string {
	found := map[string]string{}
	asked := map[string]bool{}
	for _, e := range t.writes {
		if e.links == nil {
			continue
		}
		for i := range e.links.where {
			l := &e.links.where[i]
			if asked[l.key()] {
				continue
			}
			asked[l.key()] = true
			hits, err := t.s.find(ctx, outside{t.s.c.Record}, t.c, l.typ, l.query, 2)
			if err == nil && len(hits) == 1 { // what is wrong is told later
				found[l.key()] = l.typ + "/" + hits[0].ID
			}
		}
	}
	return found
}

// enter finds out what an entry asks for and gets it ready.
func (t *transaction) enter(ctx context.Context, e *entry) error {
	s, c := t.s, e.c
	var err error
	if e.step, err = s.route(c); err != nil {
		return err
	}
	if err := s.permit(ctx, c, e.step); err != nil {
		return err
	}
	if !e.step.writes {
		t.reads = append(t.reads, e)
		return nil
	}
	if e.in, err = s.intend(ctx, c); err != nil {
		return err
	}
	t.writes = append(t.writes, e)
	return nil
}

// intend is what an entry of a transaction writes.
func (s *Server) intend(ctx context.Context, c *call) (*intent, error) {
	switch whole := len(c.path) == 1; {
	case len(c.path) == 0 || len(c.path) > 2 || c.path[len(c.path)-1][0] == '$':
		return nil, notSupported(http.StatusBadRequest, "operations that change something are not carried out in a transaction").at("request.url")
	case c.method == http.MethodPost:
		return s.intendCreate(ctx, c)
	case c.method == http.MethodPut && !whole:
		return s.intendUpdate(ctx, c)
	case c.method == http.MethodPut:
		return s.intendUpdateWhere(ctx, c)
	case c.method == http.MethodPatch:
		in, err := s.intendPatch(c)
		if err == nil && whole {
			in.where, err = c.query, s.condition(c.typ, c.query)
		}
		return in, err
	case whole:
		return &intent{c: c, kind: deletes, typ: c.typ, where: c.query}, s.condition(c.typ, c.query)
	}
	return &intent{c: c, kind: deletes, typ: c.typ, asked: c.id}, nil
}

// preliminary is the id that an intent will have unless a condition says
// otherwise.
func (in *intent) preliminary() string {
	if in.asked != "" {
		return in.asked
	}
	if in.kind == updates {
		if id := in.doc.Root().Get("id").Text(); id != "" {
			return id
		}
	}
	return in.fresh
}

// name gathers what entries are called. Two entries for one resource, or with
// one name, are refused.
func (t *transaction) name() error {
	t.targets = targets{byURL: map[string]int{}, set: t.s.set(), known: t.s.known}
	addresses := map[string]bool{}
	for i, e := range t.writes {
		if e.in.asked != "" {
			address := e.in.typ + "/" + e.in.asked
			if addresses[address] {
				return e.failed(bad("two entries of the transaction write %s", clip(address)).at("request.url"))
			}
			addresses[address] = true
		}
		if e.fullURL == "" || e.in.kind == deletes {
			continue
		}
		if _, twice := t.targets.byURL[e.fullURL]; twice {
			return e.failed(bad("two entries have this fullUrl").at("resource"))
		}
		t.targets.byURL[e.fullURL] = i
	}
	return nil
}

// leads is where a link leads; "" when that is not known yet.
func (t *transaction) leads(l *link) string {
	if l.typ != "" {
		return t.found[l.key()]
	}
	in := t.writes[l.to].in
	return in.typ + "/" + in.id
}

// draft rewrites the links of entries, where they lead somewhere else than at
// the time of the last draft, and works out what the resources will be found
// by. Entries with links that are not known yet are left for later.
func (t *transaction) draft(entries []*entry) error {
	for _, e := range entries {
		if e.in.doc == nil {
			continue
		}
		var to []string
		for l := range e.links.all() {
			to = append(to, t.leads(l))
		}
		if slices.Contains(to, "") || e.in.draft != nil && slices.Equal(to, e.drafted) {
			continue
		}
		doc, err := e.links.rewrite(t.leads)
		if err != nil {
			return e.failed(t.s.unreadable(err))
		}
		e.in.draft, e.drafted = t.s.draft(e.in.typ, doc), to
	}
	return nil
}

// write is what happens within the record's transaction; it may run again.
func (t *transaction) write(ctx context.Context, tx Tx) error {
	t.found = map[string]string{}
	if err := t.settle(ctx, tx); err != nil {
		return err
	}
	var later []*entry
	for _, e := range t.writes {
		switch {
		case e.in.kind == deletes: // done while settling
		case e.in.found:
		case e.links != nil && len(e.links.where) > 0:
			later = append(later, e)
		default:
			if err := t.s.carry(ctx, tx, e.in); err != nil {
				return e.failed(err)
			}
		}
	}
	for _, e := range later { // what they lead to may have been written just now
		if err := t.lookUp(ctx, tx, e); err != nil {
			return e.failed(err)
		}
	}
	if err := t.draft(later); err != nil {
		return err
	}
	for _, e := range later {
		if err := t.s.carry(ctx, tx, e.in); err != nil {
			return e.failed(err)
		}
	}
	return t.readable(ctx, tx)
}

// settle settles all writes in their order. Deletions are written at once, so
// that conditions do not find what is deleted; where a condition leads to
// another id than was thought, what points there is rewritten.
func (t *transaction) settle(ctx context.Context, tx Tx) error {
	asked := map[string]*intent{}
	taken := map[string]bool{}
	var plain []*entry
	for _, e := range t.writes {
		if err := t.settleOne(ctx, tx, e, asked); err != nil {
			return e.failed(err)
		}
		if e.in.kind != deletes && !e.in.found {
			address := e.in.typ + "/" + e.in.id
			if taken[address] {
				return e.failed(bad("two entries of the transaction write the same resource").at("request.url"))
			}
			taken[address] = true
		}
		if e.links != nil && len(e.links.where) == 0 {
			plain = append(plain, e)
		}
	}
	return t.draft(plain)
}

// settleOne settles one write. Entries that make a resource on the same
// condition make one together.
func (t *transaction) settleOne(ctx context.Context, tx Tx, e *entry, asked map[string]*intent) error {
	in := e.in
	if in.kind == creates && in.where != "" {
		condition := in.typ + "?" + in.where
		if first, ok := asked[condition]; ok {
			in.id, in.found, in.same, in.made = first.id, true, first, nil
			return nil
		}
		asked[condition] = in
	}
	if err := t.s.settle(ctx, tx, in); err != nil {
		return err
	}
	if in.kind == deletes {
		return t.s.carry(ctx, tx, in)
	}
	return nil
}

// lookUp finds what the conditional references of an entry lead to; there must
// be exactly one.
func (t *transaction) lookUp(ctx context.Context, tx Tx, e *entry) error {
	for i := range e.links.where {
		l := &e.links.where[i]
		key := l.key()
		if _, ok := t.found[key]; ok {
			continue
		}
		err := t.s.condition(l.typ, l.query)
		var hits []vigil.Resource
		if err == nil {
			hits, err = t.s.find(ctx, tx, t.c, l.typ, l.query, 2)
		}
		if err != nil {
			return problemOf(err).at(l.at.Path())
		}
		switch len(hits) {
		case 0:
			return failedCondition("not-found", "the conditional reference %s leads to nothing", clip(l.typ)).at(l.at.Path())
		case 1:
			t.found[key] = l.typ + "/" + hits[0].ID
		default:
			return failedCondition("multiple-matches", "the conditional reference %s leads to more than one resource", clip(l.typ)).at(l.at.Path())
		}
	}
	return nil
}

// readable lets a transaction fail whose reads would.
func (t *transaction) readable(ctx context.Context, tx Tx) error {
	for _, e := range t.reads {
		if !strings.HasSuffix(e.step.action, ".read") || len(e.c.path) != 2 {
			continue
		}
		r, _, err := t.s.newest(ctx, tx, e.c.typ, e.c.id)
		if err == nil && lives(r) == 0 {
			err = notFound("there is no %s with this id", e.c.typ)
		}
		if err != nil {
			return e.failed(err)
		}
	}
	return nil
}
