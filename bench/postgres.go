package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vigil-iomt/vigil"
)

// A Database is an empty PostgreSQL database that was made for a measurement.
type Database struct {
	DSN  string
	name string
	home string // address of the database that it was made from
}

// NewDatabase makes an empty database beside the one at dsn, which is not
// touched. The role in dsn must be allowed to create databases.
func NewDatabase(ctx context.Context, dsn string) (*Database, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, vigil.Errorf(vigil.Invalid, "a database is named as postgres://…")
	}
	d := &Database{home: dsn, name: fmt.Sprintf("vigil_bench_%x", time.Now().UnixNano())}
	u.Path = "/" + d.name
	d.DSN = u.String()
	if err := d.admin(ctx, "CREATE DATABASE "+d.name); err != nil {
		return nil, fmt.Errorf("make database: %w", err)
	}
	return d, nil
}

// Drop removes the database, whoever is still connected.
func (d *Database) Drop(ctx context.Context) error {
	if err := d.admin(ctx, "DROP DATABASE IF EXISTS "+d.name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database: %w", err)
	}
	return nil
}

// admin runs a statement beside the database.
func (d *Database) admin(ctx context.Context, text string) error {
	conn, err := pgx.Connect(ctx, d.home)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, text)
	return errors.Join(err, conn.Close(ctx))
}

// size returns how many bytes the tables and indexes take.
func (d *Database) size(ctx context.Context) (n int64, err error) {
	conn, err := pgx.Connect(ctx, d.home)
	if err != nil {
		return 0, fmt.Errorf("ask for size of database: %w", err)
	}
	err = conn.QueryRow(ctx, "SELECT pg_database_size($1)", d.name).Scan(&n)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return 0, fmt.Errorf("ask for size of database: %w", err)
	}
	return n, nil
}

// postgresSettings are the settings that decide what a figure means: whether a
// commit is on disk, and with how much memory.
const postgresSettings = "fsync synchronous_commit full_page_writes shared_buffers max_wal_size"

// describePostgres returns the version of a PostgreSQL and its settings.
func describePostgres(ctx context.Context, dsn string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var out strings.Builder
	for i, name := range strings.Fields("server_version " + postgresSettings) {
		var value string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return "", fmt.Errorf("ask PostgreSQL for %s: %w", name, err)
		}
		if i == 0 {
			out.WriteString("PostgreSQL " + value)
			continue
		}
		out.WriteString(", " + name + " " + value)
	}
	return out.String(), nil
}
