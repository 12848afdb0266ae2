package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// copyFrom is from how many rows on COPY is cheaper for PostgreSQL than INSERT
// (BenchmarkWrite): it costs round trips before the first row. copyMost bounds
// what waits in memory for one COPY.
const (
	copyFrom = 128
	copyMost = 8192
)

// A copier gathers rows of one table and hands them to PostgreSQL with COPY. Few
// rows go through INSERT.
type copier struct {
	in   *inserter
	conn *sql.Conn
	rows [][]any
}

// add gathers one row.
func (c *copier) add(ctx context.Context, vals []any) error {
	c.rows = append(c.rows, vals)
	if len(c.rows) < copyMost {
		return nil
	}
	return c.flush(ctx)
}

// flush hands over what was gathered.
func (c *copier) flush(ctx context.Context) error {
	defer func() { c.rows = c.rows[:0] }()
	if len(c.rows) >= copyFrom {
		return c.copy(ctx)
	}
	for _, vals := range c.rows {
		if err := c.in.add(ctx, vals); err != nil {
			return err
		}
	}
	return c.in.finish(ctx)
}

// copy copies the rows into their table. COPY knows no ON CONFLICT: where that
// matters they go into a temporary table, and from there where they belong.
func (c *copier) copy(ctx context.Context) error {
	if c.in.tail == "" {
		return c.into(ctx, c.in.table)
	}
	columns, waiting := c.in.columns, "waiting_"+c.in.table
	// The names and what is done on a conflict are constants of this room.
	_, err := c.in.tx.ExecContext(ctx, `CREATE TEMPORARY TABLE IF NOT EXISTS `+waiting+` ON COMMIT DELETE ROWS AS
		SELECT `+columns+` FROM `+c.in.table+` WITH NO DATA`) // #nosec G701 -- see above
	if err != nil {
		return fault("make temporary table", err)
	}
	if err := c.into(ctx, waiting); err != nil {
		return err
	}
	_, err = c.in.tx.ExecContext(ctx, `INSERT INTO `+c.in.table+` (`+columns+`) SELECT `+columns+` FROM `+waiting+` `+c.in.tail) // #nosec G701 -- see above
	if err != nil {
		return fault("insert", err)
	}
	if _, err := c.in.tx.ExecContext(ctx, `DELETE FROM `+waiting); err != nil { // #nosec G701 -- see above
		return fault("clear temporary table", err)
	}
	return nil
}

// into copies the rows into a table, within the transaction that the connection
// is in.
func (c *copier) into(ctx context.Context, table string) error {
	columns := strings.Split(c.in.columns, ", ")
	err := c.conn.Raw(func(driver any) error {
		conn, ok := driver.(*stdlib.Conn)
		if !ok {
			return errors.New("this is no connection to PostgreSQL")
		}
		n, err := conn.Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(c.rows))
		if err == nil && n != int64(len(c.rows)) {
			err = fmt.Errorf("%d of %d rows were taken", n, len(c.rows))
		}
		return err
	})
	if err != nil {
		return fault("copy", err)
	}
	return nil
}
