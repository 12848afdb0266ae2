package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// ResourceChanges returns versions of resources of some types in the order in
// which they were written, deletions included, behind a write; at most limit of
// them. Their Keys are not filled in.
func (db *DB) ResourceChanges(ctx context.Context, types []string, after int64, limit int) ([]vigil.Resource, error) {
	if len(types) == 0 {
		return nil, nil
	}
	if some, ok := db.tail.behind(types, after, limit); ok {
		return db.opened(some)
	}
	upToHere := db.tail.last()
	all, err := db.readChanges(ctx, types, after, limit)
	if err == nil && len(all) == 0 {
		db.tail.quiet(types, after, upToHere)
	}
	return all, err
}

// readChanges is ResourceChanges of the database.
func (db *DB) readChanges(ctx context.Context, types []string, after int64, limit int) ([]vigil.Resource, error) {
	nos, err := db.typeNumbers(ctx, types)
	if err != nil {
		return nil, err
	}
	// The versions of each type are in order; together they are sorted.
	var all []vigil.Resource
	upTo := int64(math.MaxInt64)
	for _, no := range nos {
		some, err := db.changesOf(ctx, no, after, upTo, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		slices.SortFunc(all, func(a, b vigil.Resource) int { return cmp.Compare(a.Written, b.Written) })
		if len(all) >= limit {
			all = all[:limit]
			upTo = all[limit-1].Written
		}
	}
	return all, nil
}

// opened returns versions with their bodies.
func (db *DB) opened(rows []resourceRow) ([]vigil.Resource, error) {
	out := make([]vigil.Resource, len(rows))
	for i := range rows {
		out[i] = rows[i].Resource
		if err := db.openBody(&out[i], rows[i].sealed); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// changesOf reads versions of one type behind a write up to another.
func (db *DB) changesOf(ctx context.Context, no, after, upTo int64, limit int) ([]vigil.Resource, error) {
	half := func(table, columns string) string {
		return `SELECT ` + columns + ` FROM ` + table + ` WHERE type = $1 AND written > $2 AND written <= $3`
	}
	columns := resourceColumns + `, id, body`
	older := resourceColumns + `, (SELECT id FROM resources r WHERE r.rid = v.rid) AS id, body`
	return db.readVersions(ctx, `SELECT `+columns+` FROM (`+half("resources", columns)+` UNION ALL `+half("resource_versions v", older)+
		`) AS h ORDER BY written LIMIT $4`, no, after, upTo, limit)
}

// LastWrite returns the number of the newest write of the record, 0 when there
// was none.
func (db *DB) LastWrite(ctx context.Context) (last int64, err error) {
	err = db.rd.each(ctx, func(rows scanner) error {
		if err := rows.Scan(&last); err != nil {
			return fault("read last write", err)
		}
		return nil
	}, `SELECT written FROM resource_clock`)
	return last, err
}
