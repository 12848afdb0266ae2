package store_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// TestProcessesStartTogether: processes that open an empty database at the same
// moment make its tables once. Seen to fail without a turn for each.
func TestProcessesStartTogether(t *testing.T) {
	dsn := os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	c := storetest.Config()
	c.DSN, c.Shared = freshSchema(t, dsn), true
	c.Frames = func(context.Context, int, uint64, uint64, func(context.Context, vigil.Frame) error) error { return nil }
	errs := make([]error, 6)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			db, err := store.Open(t.Context(), c)
			if err == nil {
				err = db.Close(t.Context())
			}
			errs[i] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
