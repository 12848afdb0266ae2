package store

import (
	"context"
	"database/sql"

	"github.com/vigil-iomt/vigil"
)

// NoticePlace returns up to where events of subscriptions were made of a source;
// false when it never was asked for.
func (db *DB) NoticePlace(ctx context.Context, source string) (place int64, ok bool, err error) {
	err = db.d.each(ctx, func(rows scanner) error {
		ok = true
		if err := rows.Scan(&place); err != nil {
			return fault("read place of notices", err)
		}
		return nil
	}, `SELECT place FROM notice_places WHERE source = $1`, source)
	return place, ok, err
}

// AddNotices keeps events of subscriptions and the place up to which they were
// made of a source, in one transaction: each is made once. It gives them their
// numbers. When the source is no longer at the place from, nothing is kept and
// the error is vigil.Conflicting; a source that was never asked for is
// everywhere. Events of a subscription that was not started, or was ended, are
// left out.
func (db *DB) AddNotices(ctx context.Context, source string, from, place int64, notices []vigil.Notice) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO notice_places (source, place) VALUES ($1, $2) ON CONFLICT (source) DO NOTHING`, source, from)
		if err != nil {
			return fault("keep place of notices", err)
		}
		n, err := changedRows(tx.ExecContext(ctx, `UPDATE notice_places SET place = $1 WHERE source = $2 AND place = $3`, place, source, from))
		if err != nil {
			return fault("keep place of notices", err)
		}
		if n == 0 {
			return vigil.Errorf(vigil.Conflicting, "events of %s were made by somebody else", source)
		}
		return db.addNotices(ctx, tx, notices)
	})
}

// addNotices numbers and writes events.
func (db *DB) addNotices(ctx context.Context, tx *sql.Tx, notices []vigil.Notice) error {
	last := map[string]int64{}
	count := map[string]int64{}
	for i := range notices {
		count[notices[i].Subscription]++
	}
	for name, n := range count {
		changed, err := changedRows(tx.ExecContext(ctx, `UPDATE notice_lines SET events = events + $1 WHERE subscription = $2`, n, name))
		if err != nil {
			return fault("number notices", err)
		}
		if changed == 0 {
			continue
		}
		var events int64
		if err := tx.QueryRowContext(ctx, `SELECT events FROM notice_lines WHERE subscription = $1`, name).Scan(&events); err != nil {
			return fault("number notices", err)
		}
		last[name] = events - n
	}
	in := db.d.insert(tx, "notices", "subscription, number, at, type, id, version, cause", "")
	for i := range notices {
		n := &notices[i]
		if _, ok := last[n.Subscription]; !ok {
			continue
		}
		last[n.Subscription]++
		n.Number = last[n.Subscription]
		if err := in.row(ctx, n.Subscription, n.Number, int64(n.At), n.Type, n.ID, n.Version, string(n.Cause)); err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// changedRows says how many rows a statement changed.
func changedRows(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Notices returns the events of a subscription from a number up to another, both
// included, in order.
func (db *DB) Notices(ctx context.Context, subscription string, from, upTo int64, limit int) ([]vigil.Notice, error) {
	var out []vigil.Notice
	err := db.d.each(ctx, func(rows scanner) error {
		n := vigil.Notice{Subscription: subscription}
		if err := rows.Scan(&n.Number, &n.At, &n.Type, &n.ID, &n.Version, &n.Cause); err != nil {
			return fault("read notices", err)
		}
		out = append(out, n)
		return nil
	}, `SELECT number, at, type, id, version, cause FROM notices WHERE subscription = $1 AND number >= $2 AND number <= $3
		ORDER BY number LIMIT $4`, subscription, from, upTo, limit)
	return out, err
}

// NoticeLine returns how far a subscription is; one that was never started is
// vigil.NotFound.
func (db *DB) NoticeLine(ctx context.Context, subscription string) (vigil.NoticeLine, error) {
	l := vigil.NoticeLine{}
	err := db.d.each(ctx, func(rows scanner) error {
		if err := rows.Scan(&l.Subscription, &l.Since, &l.Started, &l.Events, &l.Delivered, &l.First); err != nil {
			return fault("read line of notices", err)
		}
		return nil
	}, `SELECT l.subscription, l.since, l.started, l.events, l.delivered,
		coalesce((SELECT min(n.number) FROM notices n WHERE n.subscription = l.subscription), l.events + 1)
		FROM notice_lines l WHERE l.subscription = $1`, subscription)
	if err == nil && l.Subscription == "" {
		err = vigil.Errorf(vigil.NotFound, "there are no events of this subscription")
	}
	return l, err
}

// StartNotices begins or resumes the events of a subscription. The numbers go on
// where they were; what was not delivered before a new beginning no longer is.
func (db *DB) StartNotices(ctx context.Context, l vigil.NoticeLine) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO notice_lines (subscription, since, started, events, delivered, holder, until)
			VALUES ($1, $2, $3, 0, 0, '', 0)
			ON CONFLICT (subscription) DO UPDATE SET since = excluded.since, started = excluded.started, delivered = notice_lines.events
			WHERE notice_lines.since < excluded.since`,
			l.Subscription, l.Since, int64(l.Started))
		if err != nil {
			return fault("start notices", err)
		}
		return nil
	})
}

// EndNotices forgets a subscription and its events.
func (db *DB) EndNotices(ctx context.Context, subscription string) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		for _, table := range [...]string{"notice_lines", "notices"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE subscription = $1`, subscription); err != nil {
				return fault("end notices", err)
			}
		}
		return nil
	})
}

// TrimNotices forgets the events of a subscription below a number.
func (db *DB) TrimNotices(ctx context.Context, subscription string, below int64) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM notices WHERE subscription = $1 AND number < $2`, subscription, below); err != nil {
			return fault("trim notices", err)
		}
		return nil
	})
}

// NoticesDelivered says up to which event a subscription was delivered.
func (db *DB) NoticesDelivered(ctx context.Context, subscription string, number int64) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notice_lines SET delivered = $1 WHERE subscription = $2 AND delivered < $1`, number, subscription)
		if err != nil {
			return fault("keep what was delivered", err)
		}
		return nil
	})
}

// HoldNotices takes or keeps the right to deliver a subscription until a time,
// among processes on one database. It is false while another has it.
func (db *DB) HoldNotices(ctx context.Context, subscription, holder string, now, until vigil.Instant) (held bool, err error) {
	err = db.d.in(ctx, func(tx *sql.Tx) error {
		n, err := changedRows(tx.ExecContext(ctx, `UPDATE notice_lines SET holder = $1, until = $2
			WHERE subscription = $3 AND (holder = $1 OR until < $4)`, holder, int64(until), subscription, int64(now)))
		if err != nil {
			return fault("hold notices", err)
		}
		held = n > 0
		return nil
	})
	return held, err
}
