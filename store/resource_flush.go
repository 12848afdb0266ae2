package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A tokenOf, a spanOf and a placeOf are entries of the index: what one row is
// found by.
type tokenOf struct {
	token uint64
	rid   int64
}

type spanOf struct {
	param, lo, hi, rid int64
}

type placeOf struct {
	line, at, rid int64
}

// indexChanges are the entries that come or go.
type indexChanges struct {
	tokens []tokenOf
	spans  []spanOf
	places []placeOf
}

// add adds the entries of a row.
func (c *indexChanges) add(r *resourceRow) {
	if r == nil || r.Deleted {
		return
	}
	c.tokens = append(c.tokens, tokenOf{typeToken(r.Type), r.rid})
	for _, k := range r.Keys.Tokens {
		c.tokens = append(c.tokens, tokenOf{k, r.rid})
	}
	for _, s := range r.Keys.Spans {
		class := classOf(s)
		e := spanOf{param: int64(s.Param | class), lo: s.Lo, rid: r.rid} // #nosec G115 -- kept as it is
		if class == classMixed {
			e.hi = s.Hi
			c.spans = append(c.spans, spanOf{param: int64(s.Param | classEnds), lo: s.Hi, hi: s.Lo, rid: r.rid}) // #nosec G115 -- kept as it is
		}
		c.spans = append(c.spans, e)
	}
	for _, l := range r.Keys.Lines {
		c.places = append(c.places, placeOf{int64(l.Line), int64(l.At), r.rid}) // #nosec G115 -- kept as it is
	}
}

// sort brings the entries into the order of their tables, so that neighbours
// are written together.
func (c *indexChanges) sort() {
	slices.SortFunc(c.tokens, compareTokens)
	slices.SortFunc(c.spans, compareSpans)
	slices.SortFunc(c.places, comparePlaces)
	c.tokens, c.spans, c.places = slices.Compact(c.tokens), slices.Compact(c.spans), slices.Compact(c.places)
}

// common takes out of two sorted lists what is in both.
func common[T comparable](a, b []T, compare func(a, b T) int) ([]T, []T) {
	var onlyA, onlyB []T
	for len(a) > 0 && len(b) > 0 {
		switch c := compare(a[0], b[0]); {
		case c == 0:
			a, b = a[1:], b[1:]
		case c < 0:
			onlyA, a = append(onlyA, a[0]), a[1:]
		default:
			onlyB, b = append(onlyB, b[0]), b[1:]
		}
	}
	return append(onlyA, a...), append(onlyB, b...)
}

// flush writes what the group has changed.
func (g *group) flush(ctx context.Context, tx *sql.Tx) error {
	if g.empty() {
		return nil
	}
	g.db.shelf.begin(g)
	changes := make([]*change, 0, len(g.changed))
	for _, c := range g.changed {
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b *change) int { return cmp.Compare(a.row.rid, b.row.rid) })
	steps := []func(context.Context, *sql.Tx, []*change) error{g.replace, g.insertOlder, g.insertNew, g.insertWords, g.index}
	for _, step := range steps {
		if err := step(ctx, tx, changes); err != nil {
			return err
		}
	}
	return g.writeClock(ctx, tx)
}

// writeClock writes the last numbers.
func (g *group) writeClock(ctx context.Context, tx *sql.Tx) error {
	c := &g.clock
	if _, err := g.db.rd.exec(ctx, tx, `UPDATE resource_clock SET rid = $1, written = $2, lag = $3, word = $4, indexed = $5 WHERE one = 0`,
		c.rid, c.written, c.lag, c.word, c.indexed); err != nil {
		return fault("write clock of resources", err)
	}
	return nil
}

// word returns the number of a word, a new one if need be.
func (g *group) word(ctx context.Context, word string) (int64, error) {
	if no, ok := g.words[word]; ok {
		return no, nil
	}
	no, err := g.db.wordNumber(ctx, word)
	if err != nil || no != 0 {
		return no, err
	}
	return g.newWord(word), nil
}

// newWord gives a word that nobody has written yet its number. Should somebody
// have, nothing is written, and everything is looked up.
func (g *group) newWord(word string) int64 {
	if no, ok := g.words[word]; ok {
		return no
	}
	if no, ok := g.db.words.number(word); ok {
		return no
	}
	if g.words == nil {
		g.words = map[string]int64{}
	}
	g.clock.word++
	g.words[word] = g.clock.word
	return g.clock.word
}

// columns returns what a version is written as, in the order of type, version,
// written, lag, state, actor, owner, body.
func (g *group) columns(ctx context.Context, r *vigil.Resource) ([8]any, error) {
	var out [8]any
	actor, err := actorWord(r.Actor)
	if err != nil {
		return out, err
	}
	nos := [3]int64{}
	for i, word := range []string{typeWord(r.Type), actor, ownerWord(r.Owner)} {
		if nos[i], err = g.word(ctx, word); err != nil {
			return out, err
		}
	}
	state, err := stateOf(r)
	body := g.db.sealBody(r)
	if g.sealed == nil {
		g.sealed = map[int64][]byte{}
	}
	g.sealed[r.Written] = body
	return [8]any{nos[0], r.Version, r.Written, r.Written - int64(r.Changed), state, nos[1], nos[2], body}, err
}

// insertNew inserts the resources that the database does not have.
func (g *group) insertNew(ctx context.Context, tx *sql.Tx, changes []*change) error {
	in := g.db.rd.insert(tx, "resources", "rid, id, keys, type, version, written, lag, state, actor, owner, body", "")
	for _, c := range changes {
		if c.base != nil {
			continue
		}
		if c.assumed && c.row.Owner != "" && ownerID(c.row.Owner) == c.row.ID {
			g.newWord(ownerWord(c.row.Owner))
		}
		v, err := g.columns(ctx, &c.row.Resource)
		if err != nil {
			return err
		}
		if err := in.row(ctx, append([]any{c.row.rid, packID(c.row.ID), packKeys(&c.row.Keys)}, v[:]...)...); err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// insertOlder inserts versions that were replaced within the group.
func (g *group) insertOlder(ctx context.Context, tx *sql.Tx, changes []*change) error {
	in := g.db.rd.insert(tx, "resource_versions", "rid, type, version, written, lag, state, actor, owner, body", "")
	for _, c := range changes {
		for i := range c.older {
			v, err := g.columns(ctx, &c.older[i])
			if err != nil {
				return err
			}
			if err := in.row(ctx, append([]any{c.row.rid}, v[:]...)...); err != nil {
				return err
			}
		}
	}
	return in.end(ctx)
}

// replace writes new versions over those that the database has, which it keeps
// beside.
func (g *group) replace(ctx context.Context, tx *sql.Tx, changes []*change) error {
	var keep, update *sql.Stmt
	for _, c := range changes {
		if c.base == nil {
			continue
		}
		if keep == nil {
			var err error
			if keep, err = g.db.rd.within(ctx, tx, `INSERT INTO resource_versions (rid, version, type, written, lag, state, actor, owner, body)
				SELECT rid, version, type, written, lag, state, actor, owner, body FROM resources WHERE rid = $1`); err != nil {
				return err
			}
			defer func() { _ = keep.Close() }()
			if update, err = g.db.rd.within(ctx, tx, `UPDATE resources SET keys = $2, type = $3, version = $4, written = $5, lag = $6,
				state = $7, actor = $8, owner = $9, body = $10 WHERE rid = $1`); err != nil {
				return err
			}
			defer func() { _ = update.Close() }()
		}
		if c.rekeyed {
			if _, err := tx.ExecContext(ctx, `UPDATE resources SET keys = $2 WHERE rid = $1`, c.row.rid, packKeys(&c.row.Keys)); err != nil {
				return fault("write keys of resource", err)
			}
			continue
		}
		v, err := g.columns(ctx, &c.row.Resource)
		if err != nil {
			return err
		}
		if _, err := keep.ExecContext(ctx, c.row.rid); err != nil {
			return fault("keep version of resource", err)
		}
		if _, err := update.ExecContext(ctx, append([]any{c.row.rid, packKeys(&c.row.Keys)}, v[:]...)...); err != nil {
			return fault("write resource", err)
		}
	}
	return nil
}

// insertWords inserts the words that are new.
func (g *group) insertWords(ctx context.Context, tx *sql.Tx, _ []*change) error {
	in := g.db.rd.insert(tx, "resource_words", "no, word", "")
	for word, no := range g.words {
		if err := in.row(ctx, no, word); err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// putIn adds entries. Rows that are near each other share a posting.
func (db *DB) putIn(ctx context.Context, tx *sql.Tx, come *indexChanges) error {
	in := db.rd.insert(tx, "postings", "token, rid, more", "")
	for all := come.tokens; len(all) > 0; {
		rids := make([]int64, 0, 8)
		for _, t := range all {
			if t.token != all[0].token || t.rid>>blockBits != all[0].rid>>blockBits {
				break
			}
			rids = append(rids, t.rid)
		}
		if err := in.row(ctx, int64(all[0].token), rids[0], appendMore([]byte{}, rids)); err != nil { // #nosec G115 -- kept as it is
			return err
		}
		all = all[len(rids):]
	}
	if err := in.end(ctx); err != nil {
		return err
	}
	in = db.rd.insert(tx, "spans", "param, lo, hi, rid", "")
	for _, s := range come.spans {
		if err := in.row(ctx, s.param, s.lo, s.hi, s.rid); err != nil {
			return err
		}
	}
	if err := in.end(ctx); err != nil {
		return err
	}
	in = db.rd.insert(tx, "timelines", "line, at, rid", "")
	for _, p := range come.places {
		if err := in.row(ctx, p.line, p.at, p.rid); err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// takeOut takes entries out of the index.
func takeOut(ctx context.Context, tx *sql.Tx, gone *indexChanges) error {
	for _, t := range gone.tokens {
		if err := takeToken(ctx, tx, int64(t.token), t.rid); err != nil { // #nosec G115 -- kept as it is
			return err
		}
	}
	for _, s := range gone.spans {
		if _, err := tx.ExecContext(ctx, `DELETE FROM spans WHERE param = $1 AND lo = $2 AND hi = $3 AND rid = $4`, s.param, s.lo, s.hi, s.rid); err != nil {
			return fault("change index of resources", err)
		}
	}
	for _, p := range gone.places {
		if _, err := tx.ExecContext(ctx, `DELETE FROM timelines WHERE line = $1 AND at = $2 AND rid = $3`, p.line, p.at, p.rid); err != nil {
			return fault("change index of resources", err)
		}
	}
	return nil
}

// takeToken takes one row out of the posting that it shares with others.
func takeToken(ctx context.Context, tx *sql.Tx, token, rid int64) error {
	first, rest, err := findPosting(ctx, tx, token, rid)
	if err != nil || first == 0 {
		return err
	}
	if len(rest) > 0 && rest[0] == first {
		_, err = tx.ExecContext(ctx, `UPDATE postings SET more = $3 WHERE token = $1 AND rid = $2`, token, first, appendMore([]byte{}, rest))
	} else {
		_, err = tx.ExecContext(ctx, `DELETE FROM postings WHERE token = $1 AND rid = $2`, token, first)
		if err == nil && len(rest) > 0 {
			_, err = tx.ExecContext(ctx, `INSERT INTO postings (token, rid, more) VALUES ($1, $2, $3)`, token, rest[0], appendMore([]byte{}, rest))
		}
	}
	if err != nil {
		return fault("change index of resources", err)
	}
	return nil
}

// findPosting returns the first number of the posting that a row is in, 0 when
// there is none, and what it is without that row.
func findPosting(ctx context.Context, tx *sql.Tx, token, rid int64) (int64, []int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT rid, more FROM postings WHERE token = $1 AND rid >= $2 AND rid <= $3 ORDER BY rid DESC`,
		token, rid>>blockBits<<blockBits, rid)
	if err != nil {
		return 0, nil, fault("read index of resources", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var first int64
		var more []byte
		if err := rows.Scan(&first, &more); err != nil {
			return 0, nil, fault("read index of resources", err)
		}
		rids, err := appendRids(nil, first, more)
		if err != nil {
			return 0, nil, damaged("posting", err)
		}
		if i, ok := slices.BinarySearch(rids, rid); ok {
			return first, slices.Delete(rids, i, i+1), nil
		}
	}
	return 0, nil, rows.Err()
}
