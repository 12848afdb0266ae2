package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// fixture is a database as the first released format wrote it. It is never made
// anew: a new format gets a new folder beside it. VIGIL_WRITE_FIXTURE=1 writes
// the one of a folder that has none yet.
const fixture = "testdata/v1/vigil.db.gz"

// TestFixture opens a database of each released format and finds everything.
func TestFixture(t *testing.T) {
	if _, err := os.Stat(fixture); os.IsNotExist(err) && os.Getenv("VIGIL_WRITE_FIXTURE") != "" {
		writeFixture(t)
	}
	packed, err := os.Open(fixture)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	c := storetest.Config()
	c.Path = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.Path, "vigil.db"), plain, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	storetest.CheckSample(t, db)
	if err := db.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// writeFixture makes the database of the present format.
func writeFixture(t *testing.T) {
	c := storetest.Config()
	c.Path = t.TempDir()
	ctx := vigil.WithActor(context.Background(), vigil.LocalAdmin())
	db, err := store.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	storetest.PutSample(t, db)
	if err := db.Close(ctx); err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(filepath.Join(c.Path, "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(fixture), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fixture, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
