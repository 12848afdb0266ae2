package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// What follows the record gets the same from memory as from the database.
func TestChangesFromMemory(t *testing.T) {
	ctx := context.Background()
	c := storetest.Config()
	c.Path = t.TempDir()
	open := func() *store.DB {
		db, err := store.Open(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	actor := vigil.Actor{Kind: vigil.Person, ID: "test"}
	write := func(db *store.DB, typ, id, text string) {
		t.Helper()
		err := db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error {
			_, err := tx.Put(ctx, vigil.Resource{Type: typ, ID: id, Method: "PUT", Actor: actor, Body: []byte(text)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	changes := func(db *store.DB, types ...string) string {
		t.Helper()
		out := ""
		for after := int64(0); ; {
			some, err := db.ResourceChanges(ctx, types, after, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				return out
			}
			for _, r := range some {
				out += fmt.Sprintf("%s/%s/%d=%s ", r.Type, r.ID, r.Version, r.Body)
			}
			after = some[len(some)-1].Written
		}
	}
	for range 2 { // what is asked for again and again, and is not there
		if got := changes(db, "Basic"); got != "" {
			t.Error(got)
		}
	}
	for i := range 5 {
		write(db, "Patient", fmt.Sprint(i%2), fmt.Sprintf("%q", fmt.Sprint("patient ", i)))
		write(db, "Device", "d", fmt.Sprintf("%q", fmt.Sprint("device ", i)))
		if got := changes(db, "Basic"); got != "" {
			t.Error(got)
		}
	}
	write(db, "Basic", "b", `"basic"`)
	fresh, err := db.Resource(ctx, "Patient", "1")
	if err != nil || fresh.Version != 2 || string(fresh.Body) != `"patient 3"` {
		t.Errorf("the newest is %+v, %v", fresh, err)
	}
	sets := [][]string{{"Basic"}, {"Patient"}, {"Patient", "Device"}, {"Basic", "Device", "Patient"}}
	var before []string
	for _, types := range sets {
		before = append(before, changes(db, types...))
	}
	if before[0] != `Basic/b/1="basic" ` {
		t.Errorf("what was quiet for long is missed: %q", before[0])
	}
	if err := db.Close(ctx); err != nil {
		t.Fatal(err)
	}
	db = open()
	defer func() { _ = db.Close(ctx) }()
	for round := range 2 { // from the database, then behind a write, too
		for i, types := range sets {
			if after := changes(db, types...); after != before[i] {
				t.Errorf("round %d: changes of %v were\n%s, and are\n%s", round, types, before[i], after)
			}
		}
		write(db, "Group", "g", `"group"`)
	}
}
