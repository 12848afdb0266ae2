package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A use is the claim of a process on a database, kept by a connection of its own:
// either nobody else uses it, or everybody shares it. SQLite needs none.
type use struct {
	d      *database
	shared bool
	mu     sync.Mutex
	conn   *sql.Conn
}

// How long a claim waits for the end of one whose process is just dying.
const (
	claimTries = 25
	claimPause = 200 * time.Millisecond
)

// useClass is the class of the database's advisory locks that claims take.
const useClass = 0x7655

// claim takes the database in use.
func (d *database) claim(ctx context.Context, shared bool) (*use, error) {
	if d.write != d.read { // SQLite
		return nil, nil
	}
	u := &use{d: d, shared: shared}
	return u, u.check(ctx)
}

// check sees to it that the claim holds: a connection that was lost has lost it.
func (u *use) check(ctx context.Context) error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn != nil {
		if u.conn.PingContext(ctx) == nil {
			return nil
		}
		_ = u.conn.Close()
		u.conn = nil
	}
	conn, err := u.d.write.Conn(ctx)
	if err != nil {
		return fault("claim database", err)
	}
	if err := u.lock(ctx, conn); err != nil {
		_ = conn.Close()
		return err
	}
	u.conn = conn
	return nil
}

// lock takes the lock on a connection.
func (u *use) lock(ctx context.Context, conn *sql.Conn) error {
	text := `SELECT pg_try_advisory_lock($1, hashtext(current_schema()))`
	if u.shared {
		text = `SELECT pg_try_advisory_lock_shared($1, hashtext(current_schema()))`
	}
	for try := 0; ; try++ {
		var mine bool
		if err := conn.QueryRowContext(ctx, text, useClass).Scan(&mine); err != nil {
			return fault("claim database", err)
		}
		if mine {
			return nil
		}
		if try == claimTries {
			return vigil.Errorf(vigil.Conflicting, "another server uses this database; several share one only with --nats")
		}
		again := time.NewTimer(claimPause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return fault("claim database", ctx.Err())
		}
	}
}

// end gives the database up.
func (u *use) end() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// A connection that goes back to the pool keeps its locks.
	_, _ = u.conn.ExecContext(ctx, `SELECT pg_advisory_unlock_all()`)
	err := u.conn.Close()
	u.conn = nil
	return err
}
