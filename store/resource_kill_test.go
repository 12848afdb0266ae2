package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// TestResourcesSurviveAKill copies the files of a store that is open, as a kill
// leaves them, and finds in the copy everything that was written, by everything
// that it is found by.
//
// Seen to fail without recover in Open.
func TestResourcesSurviveAKill(t *testing.T) {
	ctx := t.Context()
	db, dir := openRecord(t)
	put := func(id string, version int64, tokens ...uint64) {
		t.Helper()
		err := db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error {
			_, err := tx.Put(ctx, vigil.Resource{
				Type: "Patient", ID: id, Version: version, Method: "PUT", Actor: vigil.LocalAdmin(), Body: []byte("{}"),
				Keys: vigil.ResourceKeys{
					Tokens: tokens, Spans: []vigil.ResourceSpan{{Param: 8, Lo: 5, Hi: 7}}, Lines: []vigil.ResourceLine{{Line: 1, At: 5}},
				},
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		put(fmt.Sprint("p", i), 1, 1, 2)
	}
	for i := range 10 { // writes those of before, and then waits
		put(fmt.Sprint("p", i), 2, 1, 3)
	}
	put("p0", 3, 4)
	for i := range 5 {
		put(fmt.Sprint("q", i), 1, 1)
	}
	put("p19", 2, 5)
	put("p1", 0, 1, 6) // everything is in its place; from here on it waits
	put("p1", 0, 1, 7)
	put("r", 1, 1, 7)
	copied := t.TempDir()
	for _, name := range []string{"vigil.db", "vigil.db-wal", "record.db", "record.db-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := storetest.Config()
	c.Path = copied
	after, err := store.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := after.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	for k, want := range map[uint64]int64{1: 24, 2: 9, 3: 8, 4: 1, 5: 1, 6: 0, 7: 2} {
		q := vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{k}}}}
		n, exact, err := after.CountResources(ctx, q)
		hits, also := after.SelectResources(ctx, q)
		if n != want || int64(len(hits)) != want || !exact || err != nil || also != nil {
			t.Errorf("token %d: counted %d, found %d, want %d, %v, %v", k, n, len(hits), want, err, also)
		}
	}
	for _, o := range []vigil.ResourceOrder{{By: vigil.BySpan, Param: 8, Desc: true}, {By: vigil.ByLine, Lines: []uint64{1}}} {
		q := vigil.ResourceQuery{Order: o, Limit: 30, All: []vigil.ResourceTest{{Tokens: []uint64{2, 3, 4, 5, 7}}}}
		if hits, err := after.SelectResources(ctx, q); len(hits) != 21 || err != nil {
			t.Errorf("%+v: %d, %v", o, len(hits), err)
		}
	}
}
