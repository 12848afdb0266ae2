package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A site is where a server that is measured keeps things: a folder, and with
// PostgreSQL a database of its own.
type site struct {
	exe, dir string
	database *Database // nil keeps everything in the folder
}

// site makes an empty one.
func (b *Bench) site(ctx context.Context) (*site, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	s := &site{exe: b.Exe, dir: dir}
	if b.DB == "" {
		return s, nil
	}
	if s.database, err = NewDatabase(ctx, b.DB); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// remove removes everything.
func (s *site) remove(ctx context.Context) error {
	err := os.RemoveAll(s.dir)
	if s.database != nil {
		err = errors.Join(err, s.database.Drop(context.WithoutCancel(ctx)))
	}
	return err
}

// command starts a server that keeps things here.
func (s *site) command(args ...string) Command {
	if s.database != nil {
		args = append(args, "--db", s.database.DSN)
	}
	return Command{Exe: s.exe, Data: s.dir, Args: args, Log: os.Stderr}
}

// with starts a server at a new site, lets f measure it, and stops it. A server
// that runs already is measured as it is.
func (b *Bench) with(ctx context.Context, f func(*Server) error, args ...string) error {
	if b.Running != nil {
		return f(b.Running)
	}
	return b.at(ctx, func(where *site) error {
		s, err := Start(ctx, where.command(args...))
		if err != nil {
			return err
		}
		return errors.Join(f(s), s.Stop())
	})
}

// at lets f use a new site and removes it.
func (b *Bench) at(ctx context.Context, f func(*site) error) error {
	where, err := b.site(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(where), where.remove(ctx))
}

// sizes are bytes on disk.
type sizes struct{ store, journal int64 }

// size adds up what is kept here.
func (s *site) size(ctx context.Context) (sizes, error) {
	var n sizes
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // a file that has gone takes no room
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		if strings.HasPrefix(path, filepath.Join(s.dir, "journal")) {
			n.journal += info.Size()
		} else {
			n.store += info.Size()
		}
		return nil
	})
	if err != nil {
		return n, fmt.Errorf("measure folder: %w", err)
	}
	if s.database != nil {
		inside, err := s.database.size(ctx)
		n.store += inside
		return n, err
	}
	return n, nil
}
