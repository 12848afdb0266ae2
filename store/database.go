package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// A database is the pair of pools that a store reads and writes with.
type database struct {
	write, read *sql.DB
	name        string
	rows        int  // that one INSERT carries
	copies      bool // many rows go in with COPY
	many        bool // several processes may use it
	// writing lets one transaction at a time begin: SQLite has one writer, and
	// waiting here is fair where waiting there is a poll.
	writing sync.Mutex
	conn    *sql.Conn // that the transaction runs on; guarded by writing
	// ready are statements of the one connection that writes with SQLite, and
	// wanted the texts of those that come next; guarded by writing.
	ready  map[string]*sql.Stmt
	wanted []string
	stmts  sync.Map   // text → *sql.Stmt of the read pool
	turn   sync.Mutex // held while this process waits for or has its turn, see Alone
}

// fail closes what was opened and returns err.
func (d *database) fail(err error) error { return errors.Join(err, d.close()) }

func (d *database) close() error {
	d.stmts.Range(func(_, s any) bool {
		_ = s.(*sql.Stmt).Close()
		return true
	})
	for _, s := range d.ready {
		_ = s.Close()
	}
	err := d.write.Close()
	if d.read != nil && d.read != d.write {
		err = errors.Join(err, d.read.Close())
	}
	return err
}

// in runs f in one transaction. Nothing is kept when it fails.
func (d *database) in(ctx context.Context, f func(*sql.Tx) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.makeReady(ctx); err != nil {
		return err
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fault("connect", err)
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fault("begin transaction", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := d.present(ctx, tx); err != nil {
		return err
	}
	d.conn = conn
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fault("commit", err)
	}
	return nil
}

// mostReady bounds how many statements stay prepared for writing.
const mostReady = 256

// makeReady prepares what the transactions before wanted.
func (d *database) makeReady(ctx context.Context) error {
	for _, text := range d.wanted {
		s, err := d.write.PrepareContext(ctx, text) // #nosec G701 -- constants of this room and placeholders
		if err != nil {
			return fault("prepare", err)
		}
		if d.ready == nil {
			d.ready = map[string]*sql.Stmt{}
		}
		if old := d.ready[text]; old != nil {
			_ = old.Close()
		}
		d.ready[text] = s
	}
	d.wanted = d.wanted[:0]
	return nil
}

// readied returns the prepared statement of a text in a transaction, nil when
// there is none. With SQLite there is one from the second transaction on;
// PostgreSQL's driver remembers by itself.
func (d *database) readied(ctx context.Context, tx *sql.Tx, text string) *sql.Stmt {
	if s := d.ready[text]; s != nil {
		return tx.StmtContext(ctx, s)
	}
	if d.write != d.read && len(d.ready)+len(d.wanted) < mostReady && !slices.Contains(d.wanted, text) {
		d.wanted = append(d.wanted, text)
	}
	return nil
}

// within returns a prepared statement in a transaction.
func (d *database) within(ctx context.Context, tx *sql.Tx, text string) (*sql.Stmt, error) {
	if s := d.readied(ctx, tx, text); s != nil {
		return s, nil
	}
	s, err := tx.PrepareContext(ctx, text) // #nosec G701 -- constants of this room and placeholders
	if err != nil {
		return nil, fault("prepare", err)
	}
	return s, nil
}

// exec executes a statement in a transaction.
func (d *database) exec(ctx context.Context, tx *sql.Tx, text string, args ...any) (sql.Result, error) {
	if s := d.readied(ctx, tx, text); s != nil {
		defer func() { _ = s.Close() }()
		return s.ExecContext(ctx, args...)
	}
	return tx.ExecContext(ctx, text, args...) // #nosec G701 -- constants of this room and placeholders
}

// stmt returns the prepared statement of a text, for reading.
func (d *database) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := d.stmts.Load(text); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := d.read.PrepareContext(ctx, text)
	if err != nil {
		return nil, fault("prepare", err)
	}
	if old, loaded := d.stmts.LoadOrStore(text, s); loaded {
		_ = s.Close()
		return old.(*sql.Stmt), nil
	}
	return s, nil
}

// each runs a query on the read pool and calls f for each row.
func (d *database) each(ctx context.Context, f func(scanner) error, text string, args ...any) error {
	s, err := d.stmt(ctx, text)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return fault("query", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fault("query", err)
	}
	return nil
}

// fault makes a database's error one of this room's: the caller's own end of
// patience stays recognisable, everything else means that the store cannot be
// reached or written now.
func fault(op string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return &vigil.Error{Kind: vigil.Unavailable, Op: "store", Msg: "the database does not answer", Err: fmt.Errorf("%s: %w", op, err)}
}

// damaged says that what the database holds cannot be read.
func damaged(what string, err error) error {
	return &vigil.Error{Kind: vigil.Internal, Op: "store", Msg: "stored data cannot be read", Err: fmt.Errorf("%s: %w", what, err)}
}

// How many rows one INSERT carries. PostgreSQL pays for each statement with a
// round trip.
const (
	sqliteRows   = 16
	postgresRows = 128
)

// An inserter gathers rows of one table and inserts them many at a time.
type inserter struct {
	d                    *database
	tx                   *sql.Tx
	table, columns, tail string // the last is ON CONFLICT …
	cols, rows           int
	args                 []any
	full                 *sql.Stmt
	copier               *copier // takes the rows instead; nil where there is no COPY
}

// insert begins a run of rows. Columns are separated by commas; tail may say
// what happens on a conflict.
func (d *database) insert(tx *sql.Tx, table, columns, tail string) *inserter {
	in := &inserter{d: d, tx: tx, rows: d.rows, cols: strings.Count(columns, ",") + 1, table: table, columns: columns, tail: tail}
	if d.copies {
		in.copier = &copier{in: in, conn: d.conn}
	}
	return in
}

// text returns the statement for a number of rows. Placeholders of SQLite are
// plain: it looks $1 up in a list of names, so that a statement would cost the
// square of its length.
func (in *inserter) text(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + in.table + " (" + in.columns + ") VALUES ")
	for i := range rows * in.cols {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%in.cols == 0:
			b.WriteString("),(")
		default:
			b.WriteByte(',')
		}
		if in.d.write != in.d.read { // SQLite
			b.WriteByte('?')
			continue
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteString(") ")
	b.WriteString(in.tail)
	return b.String()
}

// row adds one row.
func (in *inserter) row(ctx context.Context, vals ...any) error {
	if in.copier != nil {
		return in.copier.add(ctx, vals)
	}
	return in.add(ctx, vals)
}

// add adds one row to the statement.
func (in *inserter) add(ctx context.Context, vals []any) error {
	in.args = append(in.args, vals...)
	if len(in.args) < in.rows*in.cols {
		return nil
	}
	if in.full == nil {
		s, err := in.d.within(ctx, in.tx, in.text(in.rows))
		if err != nil {
			return err
		}
		in.full = s
	}
	if _, err := in.full.ExecContext(ctx, in.args...); err != nil {
		return fault("insert", err)
	}
	in.args = in.args[:0]
	return nil
}

// end inserts what is left.
func (in *inserter) end(ctx context.Context) error {
	if in.copier != nil {
		return in.copier.flush(ctx)
	}
	return in.finish(ctx)
}

// finish inserts what the last statement has gathered.
func (in *inserter) finish(ctx context.Context) error {
	if in.full != nil {
		defer func() { _ = in.full.Close() }()
	}
	if len(in.args) == 0 {
		return nil
	}
	for rows, left := in.rows, in.args; len(left) > 0; {
		if in.d.write == in.d.read {
			rows = len(left) / in.cols
		}
		for rows*in.cols > len(left) { // few sizes, so that SQLite has few statements ready
			rows /= 2
		}
		if _, err := in.d.exec(ctx, in.tx, in.text(rows), left[:rows*in.cols]...); err != nil {
			return fault("insert", err)
		}
		left = left[rows*in.cols:]
	}
	in.args = nil
	return nil
}

// A scanner is a row of a result.
type scanner interface{ Scan(dest ...any) error }
