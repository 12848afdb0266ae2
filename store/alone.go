package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"hash/fnv"
	"time"
)

const (
	// turns is the class of the database's advisory locks that Alone takes.
	turns = 0x7669
	// turnPatience is how long Alone waits for its turn: a process that was
	// stopped in the middle of its own must not hold up all others.
	turnPatience = 2 * time.Second
)

// Alone runs f while no other process on the same database runs one under the
// same name. They come in the order in which they asked. It is a queue and not
// a protection: f runs without its turn when that does not come within two
// seconds. On SQLite, which belongs to one process, its callers take turns.
func (db *DB) Alone(ctx context.Context, name string, f func(context.Context) error) error {
	return db.d.alone(ctx, name, f)
}

// alone is Alone for a database.
func (d *database) alone(ctx context.Context, name string, f func(context.Context) error) error {
	d.turn.Lock() // or each who waits would keep a connection from who does not
	defer d.turn.Unlock()
	if !d.many {
		return f(ctx)
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fault("connect", err)
	}
	defer func() { _ = conn.Close() }()
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	key := int32(h.Sum32())
	switch err := lockTurn(ctx, conn, key); {
	case err == nil:
		defer unlockTurn(ctx, conn, key)
	case ctx.Err() != nil:
		return fault("wait for a turn", ctx.Err())
	case !errors.Is(err, context.DeadlineExceeded):
		return fault("wait for a turn", err)
	}
	return f(ctx)
}

// lockTurn waits for the turn of a name, in the schema in use.
func lockTurn(ctx context.Context, conn *sql.Conn, key int32) error {
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	_, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1, $2 # hashtext(current_schema()))`, turns, key)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// unlockTurn ends a turn; where that fails, it ends with the connection.
func unlockTurn(ctx context.Context, conn *sql.Conn, key int32) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnPatience)
	defer cancel()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1, $2 # hashtext(current_schema()))`, turns, key); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
