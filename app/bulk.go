package app

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/bulk"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// openBulk opens the folder of exports and imports.
func (s *server) openBulk() (err error) {
	s.bulk, err = bulk.Open(bulk.Config{
		Dir: filepath.Join(s.data.path, "bulk"), Sealer: seal.Plain{},
		Inside:  func(a vigil.Actor, base string) *rest.Invocation { return s.fhir.Load().Inside(a, base) },
		Changes: s.db.ResourceChanges, Moment: s.moment, Moved: s.moved, Hosts: s.c.ImportHosts, Now: time.Now, Log: s.log,
	})
	return err
}

// onTheWay is how long a reading may be on its way from its arrival to the
// journal. What takes longer is in the next export that asks for what is new.
const onTheWay = time.Second

// moment is a time such that everything that changed before can be read: writes
// of the record take turns, and the journal is waited for.
func (s *server) moment(ctx context.Context) (at vigil.Instant, err error) {
	err = s.db.WriteResources(ctx, func(_ context.Context, tx *store.ResourceTx) error {
		at = tx.At()
		return nil
	})
	if err != nil {
		return 0, err
	}
	pause(ctx, onTheWay)
	return at, s.reach(ctx, s.heads())
}

// moved are queries for readings that became somebody else's since a time.
func (s *server) moved(since vigil.Instant) []string {
	const stamp = "2006-01-02T15:04:05.000Z"
	var out []string
	for _, m := range s.db.MovedSince(since) {
		q := "device=Device/" + reading.WireID(string(m.Device))
		if m.During.From != 0 {
			q += "&date=ge" + m.During.From.Time().UTC().Format(stamp)
		}
		if m.During.To != 0 {
			q += "&date=le" + m.During.To.Time().UTC().Format(stamp)
		}
		out = append(out, q)
	}
	return out
}

// hostList reads hosts with commas between.
func hostList(v string) []string {
	return strings.FieldsFunc(strings.ToLower(v), func(r rune) bool { return r == ',' || r == ' ' })
}
