package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// versionColumns that the newest and older versions have both, in the order of
// versionRow.dest.
const resourceColumns = `rid, version, type, written, lag, state, actor, owner`

// A versionRow is one version as the database holds it. Its bytes are good until
// the next row is read.
type versionRow struct {
	rid, version, typ, written, lag, state, actor, owner int64
	id, keys, body                                       sql.RawBytes
}

// dest returns where the resourceColumns go, and behind them others.
func (v *versionRow) dest(more ...any) []any {
	return append([]any{&v.rid, &v.version, &v.typ, &v.written, &v.lag, &v.state, &v.actor, &v.owner}, more...)
}

// head returns what a row says of a version beside its body and keys.
func (db *DB) head(ctx context.Context, v *versionRow) (r vigil.Resource, err error) {
	typ, err := db.word(ctx, v.typ)
	if err != nil {
		return r, err
	}
	owner, err := db.word(ctx, v.owner)
	if err != nil {
		return r, err
	}
	if r.Actor, err = db.actor(ctx, v.actor); err != nil {
		return r, err
	}
	if typ == "" || owner == "" {
		return r, damaged("resource", errors.New("a word is empty"))
	}
	r.Type, r.Owner, r.ID = typ[1:], owner[1:], unpackID(v.id)
	r.Version, r.Written, r.Changed = v.version, v.written, vigil.Instant(v.written-v.lag)
	return r, setState(&r, v.state)
}

// openBody reads the body of a version.
func (db *DB) openBody(r *vigil.Resource, sealed []byte) error {
	if r.Deleted {
		return nil
	}
	packed, err := db.c.Sealer.Open(nil, sealed)
	if err == nil {
		r.Body, err = unpackBody(packed, r.ID, ownerID(r.Owner))
	}
	if err != nil {
		return damaged("resource", err)
	}
	return nil
}

// sealBody makes the stored form of the body of a version.
func (db *DB) sealBody(r *vigil.Resource) []byte {
	if r.Deleted {
		return []byte{}
	}
	return db.c.Sealer.Seal(nil, cmp.Or(r.Owner, systemKey), packBody(nil, r.Body, r.ID, ownerID(r.Owner)))
}

// ownerID returns the id in the name of an owner.
func ownerID(owner string) string {
	_, id, _ := strings.Cut(owner, "/")
	return id
}

// notThere says that there is no such resource.
func notThere(typ string) error { return vigil.Errorf(vigil.NotFound, "there is no such %s", typ) }

// Resource returns the newest version of a resource, deletions included; one
// that never was is vigil.NotFound.
func (db *DB) Resource(ctx context.Context, typ, id string) (vigil.Resource, error) {
	row, err := db.newest(ctx, typ, id, true)
	if err == nil && row == nil {
		err = notThere(typ)
	}
	if err != nil {
		return vigil.Resource{}, err
	}
	return row.Resource, nil
}

// readNewest reads the newest version of a resource with its sealed body; nil
// when there never was one. Nobody's impatience ends it: it takes less time than
// watching for that.
func (db *DB) readNewest(ctx context.Context, typ, id string) (*resourceRow, error) {
	ctx = context.WithoutCancel(ctx)
	no, err := db.wordNumber(ctx, typeWord(typ))
	if err != nil || no == 0 {
		return nil, err
	}
	var out *resourceRow
	err = db.rd.each(ctx, func(rows scanner) error {
		var v versionRow
		if err := rows.Scan(v.dest(&v.id, &v.keys, &v.body)...); err != nil {
			return fault("read resource", err)
		}
		r, err := db.row(ctx, &v)
		if err != nil {
			return err
		}
		r.sealed = slices.Clone(v.body)
		out = r
		return nil
	}, `SELECT `+resourceColumns+`, id, keys, body FROM resources WHERE type = $1 AND id = $2`, no, packID(id))
	return out, err
}

// row reads a newest version without its body.
func (db *DB) row(ctx context.Context, v *versionRow) (*resourceRow, error) {
	head, err := db.head(ctx, v)
	if err != nil {
		return nil, err
	}
	r := &resourceRow{rid: v.rid, Resource: head}
	if err := unpackKeys(&r.Keys, v.keys); err != nil {
		return nil, damaged("keys of a resource", err)
	}
	return r, nil
}

// ResourceVersion returns one version of a resource, deletions included; one
// that never was is vigil.NotFound.
func (db *DB) ResourceVersion(ctx context.Context, typ, id string, version int64) (vigil.Resource, error) {
	row, err := db.newest(ctx, typ, id, true)
	switch {
	case err != nil:
		return vigil.Resource{}, err
	case row == nil || version < 1 || version > row.Version:
		return vigil.Resource{}, vigil.Errorf(vigil.NotFound, "there is no such version of this %s", typ)
	case version == row.Version:
		return row.Resource, nil
	}
	old, err := db.versions(ctx, `WHERE v.rid = $1 AND v.version = $2`, row.rid, version)
	if err == nil && len(old) == 0 {
		err = vigil.Errorf(vigil.NotFound, "there is no such version of this %s", typ)
	}
	if err != nil {
		return vigil.Resource{}, err
	}
	return old[0], nil
}

// versions reads versions that were replaced.
func (db *DB) versions(ctx context.Context, where string, args ...any) ([]vigil.Resource, error) {
	return db.readVersions(ctx, `SELECT v.rid, v.version, v.type, v.written, v.lag, v.state, v.actor, v.owner, r.id, v.body
		FROM resource_versions v JOIN resources r ON r.rid = v.rid `+where, args...)
}

// readVersions runs a query for versions with their bodies.
func (db *DB) readVersions(ctx context.Context, text string, args ...any) ([]vigil.Resource, error) {
	var out []vigil.Resource
	err := db.rd.each(ctx, func(rows scanner) error {
		var v versionRow
		if err := rows.Scan(v.dest(&v.id, &v.body)...); err != nil {
			return fault("read resource", err)
		}
		r, err := db.head(ctx, &v)
		if err == nil {
			err = db.openBody(&r, v.body)
		}
		out = append(out, r)
		return err
	}, text, args...)
	return out, err
}

// defaultLimit is how many results come where nobody says how many.
const defaultLimit = 1000

// ResourceHistory returns versions, the newest first, deletions included. Their
// Keys are not filled in.
func (db *DB) ResourceHistory(ctx context.Context, h vigil.ResourceHistory) ([]vigil.Resource, error) {
	h.Limit = cmp.Or(h.Limit, defaultLimit)
	h.Before = cmp.Or(h.Before, math.MaxInt64)
	during := bounds(vigil.Interval{From: h.Since, To: h.Until})
	if h.ID != "" {
		row, err := db.newest(ctx, h.Type, h.ID, false)
		if err == nil && row == nil {
			err = notThere(h.Type)
		}
		if err != nil {
			return nil, err
		}
		return db.historyOf(ctx, `rid = $1 AND $2 = 0`, row.rid, 0, during, &h)
	}
	var types []string
	if h.Type != "" {
		types = []string{h.Type}
	}
	nos, err := db.typeNumbers(ctx, types)
	if err != nil {
		return nil, err
	}
	// The versions of each type are in order; together they are sorted.
	var all []vigil.Resource
	for _, no := range nos {
		least := int64(math.MinInt64)
		if len(all) >= h.Limit {
			least = all[h.Limit-1].Written
		}
		some, err := db.historyOf(ctx, `type = $1 AND written > $2`, no, least, during, &h)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		slices.SortFunc(all, func(a, b vigil.Resource) int { return cmp.Compare(b.Written, a.Written) })
		all = all[:min(len(all), h.Limit)]
	}
	return all, nil
}

// historyOf reads versions that a condition selects, the newest first. What was
// written before an instant has changed before it; the reverse is not sure.
func (db *DB) historyOf(ctx context.Context, where string, a, b int64, during vigil.Interval, h *vigil.ResourceHistory) ([]vigil.Resource, error) {
	both := func(table, columns string) string {
		return `SELECT ` + columns + ` FROM ` + table + ` WHERE ` + where +
			` AND written < $3 AND written >= $4 AND written - lag >= $4 AND written - lag < $5`
	}
	columns := resourceColumns + `, id, body`
	older := resourceColumns + `, (SELECT id FROM resources r WHERE r.rid = v.rid) AS id, body`
	return db.readVersions(ctx, `SELECT `+columns+` FROM (`+both("resources", columns)+` UNION ALL `+both("resource_versions v", older)+
		`) AS h ORDER BY written DESC LIMIT $6`, a, b, h.Before, int64(during.From), int64(during.To), h.Limit)
}

// A ResourceName names a resource.
type ResourceName struct{ Type, ID string }

// ResourceBodies returns the newest versions of many resources at once, in no
// order. Those that are deleted or never were are left out.
func (db *DB) ResourceBodies(ctx context.Context, names []ResourceName) ([]vigil.Resource, error) {
	byType := map[string][]string{}
	for _, n := range names {
		byType[n.Type] = append(byType[n.Type], n.ID)
	}
	var out []vigil.Resource
	for typ, ids := range byType {
		rids, err := db.ridsOf(ctx, []string{typ}, ids)
		if err != nil {
			return nil, err
		}
		rows, err := db.fetch(ctx, rids, true)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.Deleted {
				continue
			}
			if err := db.openBody(&r.Resource, r.sealed); err != nil {
				return nil, err
			}
			out = append(out, r.Resource)
		}
	}
	return out, nil
}

// ridsOf returns the numbers of the rows that have one of some ids, in order.
func (db *DB) ridsOf(ctx context.Context, types, ids []string) ([]int64, error) {
	nos, err := db.typeNumbers(ctx, types)
	if err != nil {
		return nil, err
	}
	var rids []int64
	for _, no := range nos {
		packed := make([]any, len(ids))
		for i, id := range ids {
			packed[i] = packID(id)
		}
		err := db.many(ctx, packed, func(rows scanner) error {
			var rid int64
			if err := rows.Scan(&rid); err != nil {
				return fault("read resource", err)
			}
			rids = append(rids, rid)
			return nil
		}, `SELECT rid FROM resources WHERE type = $1 AND id IN (`, no)
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(rids)
	return slices.Compact(rids), nil
}

// fetch reads rows by their numbers, with sealed bodies if they are wanted.
func (db *DB) fetch(ctx context.Context, rids []int64, bodies bool) (map[int64]*resourceRow, error) {
	out := make(map[int64]*resourceRow, len(rids))
	args := make([]any, len(rids))
	for i, rid := range rids {
		args[i] = rid
	}
	columns := resourceColumns + `, id, keys`
	if bodies {
		columns += `, body`
	}
	err := db.many(ctx, args, func(rows scanner) error {
		var v versionRow
		dest := v.dest(&v.id, &v.keys)
		if bodies {
			dest = append(dest, &v.body)
		}
		if err := rows.Scan(dest...); err != nil {
			return fault("read resource", err)
		}
		r, err := db.row(ctx, &v)
		if err != nil {
			return err
		}
		r.sealed = slices.Clone(v.body)
		out[r.rid] = r
		return nil
	}, `SELECT `+columns+` FROM resources WHERE rid IN (`)
	return out, err
}

// many runs a query that ends in IN ( for values, several at once. So that there
// are few statements to prepare, lists are filled up with their last value.
func (db *DB) many(ctx context.Context, values []any, f func(scanner) error, text string, args ...any) error {
	for len(values) > 0 {
		size := 1
		for _, s := range []int{8, 64, 256} {
			if len(values) > size {
				size = s
			}
		}
		some := values[:min(size, len(values))]
		values = values[len(some):]
		var b strings.Builder
		b.WriteString(text)
		all := slices.Clone(args)
		for i := range size {
			if i > 0 {
				b.WriteByte(',')
			}
			all = append(all, some[min(i, len(some)-1)])
			b.WriteString("$" + strconv.Itoa(len(all)))
		}
		b.WriteByte(')')
		if err := db.rd.each(ctx, f, b.String(), all...); err != nil {
			return err
		}
	}
	return nil
}
