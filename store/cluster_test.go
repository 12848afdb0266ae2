package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// parts is how many partitions the cluster of these tests has.
const parts = 3

// schema returns the address of an empty schema, and how to empty it again.
func schema(t *testing.T) (dsn string, clear func()) {
	t.Helper()
	dsn = os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(fmt.Sprintf("cluster_%d_%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "_")))
	if _, err := conn.Exec(ctx, "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(ctx, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(ctx)
	})
	// The server stays up: what it answers does not depend on its disk.
	return dsn + "&synchronous_commit=off&search_path=" + name, func() {
		for _, table := range []string{"positions", "series", "heads", "chunks", "waves", "seen", "moves", "events", "quarantine"} {
			if _, err := conn.Exec(ctx, "DELETE FROM "+name+"."+table); err != nil {
				t.Error(err)
			}
		}
	}
}

// A cluster is a journal and the stores that are fed from it.
type cluster struct {
	config Config
	frames [parts][]vigil.Frame
	epoch  uint64
	clock  vigil.Instant
}

// failing is what tests and rapid's tests have in common.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newCluster(dsn string) *cluster {
	c := &cluster{}
	c.config = Config{
		DSN: dsn, Partitions: parts, Sealer: seal.Plain{}, Now: time.Now, Checkpoint: -1, Shared: true,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), QuarantinePerDevice: 1000,
		Frames: func(ctx context.Context, p int, after, upTo uint64, handle func(context.Context, vigil.Frame) error) error {
			for _, f := range c.frames[p][after:upTo] {
				if err := handle(ctx, f); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return c
}

// start opens one more store.
func (c *cluster) start(t failing) *DB {
	t.Helper()
	db, err := Open(context.Background(), c.config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return db
}

// die ends a store as a kill would.
func (c *cluster) die(t failing, db *DB) {
	t.Helper()
	db.stop()
	db.keeper.Wait()
	_ = db.use.end()
	if err := db.d.close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// journal appends records to a partition, as one frame.
func (c *cluster) journal(p int, recs ...vigil.Record) {
	c.clock++
	for i := range recs {
		recs[i].Message.Arrived = c.clock
	}
	c.frames[p] = append(c.frames[p], vigil.Frame{Partition: p, Seq: uint64(len(c.frames[p]) + 1), At: c.clock, Records: recs})
}

// feed gives a store up to n frames of a partition that it did not have.
func (c *cluster) feed(t failing, db *DB, p, n int) {
	t.Helper()
	at := int(db.Applied(p))
	for _, f := range c.frames[p][at:min(len(c.frames[p]), at+n)] {
		if err := db.Consume(context.Background(), f); err != nil {
			t.Fatalf("consume frame %d of partition %d: %v", f.Seq, p, err)
		}
	}
}

// feedAll gives a store every frame.
func (c *cluster) feedAll(t failing, db *DB) {
	t.Helper()
	for p := range parts {
		c.feed(t, db, p, len(c.frames[p]))
	}
}

func (c *cluster) take(t failing, db *DB, p int) {
	t.Helper()
	c.epoch++
	if err := db.Take(context.Background(), p, c.epoch); err != nil {
		t.Fatalf("take: %v", err)
	}
}

func (c *cluster) checkpoint(t failing, db *DB) {
	t.Helper()
	if err := db.Checkpoint(context.Background()); err != nil {
		t.Fatalf("checkpoint: %v: %v", err, errors.Unwrap(err))
	}
}

func (c *cluster) follow(t failing, db *DB) {
	t.Helper()
	if err := db.Follow(context.Background()); err != nil {
		t.Fatalf("follow: %v", err)
	}
}

// answers is all that a store answers, as text.
func answers(t failing, db *DB) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	say := func(err error, format string, args ...any) {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	for _, waves := range []bool{false, true} {
		list, err := db.Series(ctx, vigil.SeriesQuery{Waves: waves})
		for _, s := range list {
			say(err, "series %d %s %s %s", s.ID, s.Subject, s.Device, s.Metric.Name)
			if waves {
				ws, err := db.Waves(ctx, s.ID, vigil.Interval{}, 0)
				for _, w := range ws {
					say(err, "  %d %v %v", w.Start, w.Samples, w.Quality)
				}
				continue
			}
			up, err := db.Points(ctx, vigil.PointQuery{Series: s.ID, History: true})
			say(err, "  %v", up)
			down, err := db.Points(ctx, vigil.PointQuery{Series: s.ID, History: true, Desc: true})
			say(err, "  and back")
			if slices.Reverse(down); !slices.Equal(up, down) {
				t.Fatalf("upwards %v, downwards %v", up, down)
			}
			buckets, err := db.Buckets(ctx, vigil.BucketQuery{Series: s.ID, Width: 10 * time.Microsecond})
			say(err, "  %v", buckets)
			last, err := db.Latest(ctx, []vigil.SeriesID{s.ID})
			say(err, "  %v", last)
		}
	}
	events, err := db.Events(ctx, vigil.EventQuery{})
	for _, e := range events {
		say(err, "event %s %s %d %s %v", e.ID, e.Subject, e.Taken, e.Data, e.Quality)
	}
	entries, err := db.Quarantine(ctx, vigil.QuarantineQuery{})
	for _, e := range entries {
		say(err, "quarantine %s %s %s %d", e.ID, e.State, e.Reason, e.Count)
	}
	say(nil, "waiting %d", db.QuarantineOpen("d"))
	return b.String()
}

// differ returns the first lines of two answers that differ, where they do.
func differ(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	i := 0
	for i < min(len(as), len(bs)) && as[i] == bs[i] {
		i++
	}
	head := ""
	for k := i; k >= 0 && head == ""; k-- {
		if k < len(as) && strings.HasPrefix(as[k], "series") {
			head = as[k]
		}
	}
	part := func(list []string) string {
		if i >= len(list) {
			return "nothing"
		}
		from := 0
		if i < min(len(as), len(bs)) {
			for from < min(len(as[i]), len(bs[i])) && as[i][from] == bs[i][from] {
				from++
			}
		}
		from = max(0, from-200)
		return list[i][from:min(len(list[i]), from+600)]
	}
	return fmt.Sprintf("in %s: one says\n%s\nthe other says\n%s", head, part(as), part(bs))
}

// person is the subject whose partition is p.
func person(p int) vigil.Subject { return vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", p))) }

var (
	clusterPulse = &vigil.Metric{Name: "pulse", Unit: "/min"}
	clusterECG   = &vigil.Metric{Name: "ecg", Unit: "mV", RateNum: 250, RateDen: 1}
)

// mixed is a record with something of everything about the person of a partition.
func mixed(p, first, n int, value float64) vigil.Record {
	r := vigil.Record{Kind: vigil.Understood, Subject: person(p), Message: vigil.Message{Device: "d", ID: fmt.Sprint(first)}}
	for i := range n {
		at := vigil.Instant(first + i)
		r.Readings = append(r.Readings, vigil.Reading{Metric: clusterPulse, Taken: at, Value: value, KeyKind: vigil.KeyTime, Key: uint64(at)},
			vigil.Reading{Metric: &vigil.Metric{Name: "by-message"}, Taken: at, Value: value, KeyKind: vigil.KeyMessage})
		r.Waves = append(r.Waves, vigil.Wave{Metric: clusterECG, Start: at, Samples: []int32{1, 2, int32(first + i)}, Gain: 1, KeyKind: vigil.KeyTime, Key: uint64(at)})
	}
	r.Events = []vigil.Event{{Type: "button", Taken: vigil.Instant(first), Data: []byte(fmt.Sprint(value)), KeyKind: vigil.KeyTime, Key: uint64(1000*p + first)}}
	return r
}

func bad(id string) vigil.Record {
	return vigil.Record{Kind: vigil.Quarantined, Message: vigil.Message{Device: "d", Payload: []byte(id)}, Refusal: &vigil.Refusal{Entry: id, Reason: "bad"}}
}

func replayOf(id string, p, at int) vigil.Record {
	r := mixed(p, at, 1, 1)
	r.Message.Replay, r.Message.ID, r.Events = id, "", nil
	return r
}

// TestClusterFollows: a store that follows answers what the one that holds the
// partitions answers, before and after each has written and the other has built
// on it.
func TestClusterFollows(t *testing.T) {
	dsn, _ := schema(t)
	c := newCluster(dsn)
	holder, follower := c.start(t), c.start(t)
	defer c.die(t, holder)
	defer c.die(t, follower)
	for p := range parts {
		c.take(t, holder, p)
	}
	same := func(when string) {
		t.Helper()
		c.feedAll(t, holder)
		c.feedAll(t, follower)
		if a, b := answers(t, holder), answers(t, follower); a != b {
			t.Fatalf("%s: of the holder and the follower %s", when, differ(a, b))
		}
	}
	steps := []func(){
		func() { c.journal(0, mixed(0, 1, 40, 1)); c.journal(1, mixed(1, 1, 40, 1)) },
		func() { c.journal(0, mixed(0, 20, 700, 1)) }, // sealed
		func() { c.journal(0, mixed(0, 10, 30, 2)) },  // late, conflicting, a message of its own
		func() { c.journal(0, mixed(0, 1, 40, 1)) },   // once more
		func() { c.journal(2, bad("e1"), bad("e2")); c.journal(1, bad("e3")) },
		func() { c.journal(1, replayOf("e1", 1, 3000)) }, // through another partition
		func() { // some of it to another person
			c.journal(2, vigil.Record{Kind: vigil.Reattributed, Subject: person(2), Message: vigil.Message{Device: "d"}, Change: &vigil.Reattribution{
				ID: "m", Device: "d", During: vigil.Interval{From: 10, To: 300}, To: person(2), At: 1000}})
		},
		func() { c.journal(0, mixed(0, 5000, 600, 3)); c.journal(2, mixed(2, 5000, 600, 3)) },
	}
	for i, step := range steps {
		step()
		same(fmt.Sprint("step ", i))
		if err := follower.Checkpoint(context.Background()); err != nil { // writes nothing
			t.Fatal(err)
		}
		same(fmt.Sprint("step ", i, ", follower's checkpoint"))
		c.checkpoint(t, holder)
		same(fmt.Sprint("step ", i, ", written"))
		c.follow(t, follower)
		same(fmt.Sprint("step ", i, ", followed"))
		if i%2 == 0 {
			step()
			same(fmt.Sprint("step ", i, " again"))
		}
	}
	if err := holder.CloseQuarantine(context.Background(), "e2", vigil.Closed, 5); err != nil {
		t.Fatal(err)
	}
	if err := follower.CloseQuarantine(context.Background(), "e3", vigil.Closed, 5); err != nil {
		t.Fatal(err)
	}
	c.journal(0, mixed(0, 9000, 1, 1))
	c.feedAll(t, holder)
	c.checkpoint(t, holder)
	c.follow(t, follower)
	c.follow(t, holder)
	if n := follower.QuarantineOpen("d"); n != 0 {
		t.Errorf("%d messages wait, want none", n)
	}
	for p := range parts { // a takeover without any catching up
		if err := holder.Drop(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		c.take(t, follower, p)
	}
	same("taken over")
	c.journal(0, mixed(0, 1, 900, 4))
	same("after the takeover")
	c.checkpoint(t, follower)
	c.follow(t, holder)
	same("after the takeover, written")
}

// TestClusterFence: a holder whose lease another took writes nothing any more,
// and goes on as one who follows. Seen to fail without the epoch and the cut in
// fence: it holds on and writes chunks, which the checkpoint of the next one meets.
func TestClusterFence(t *testing.T) {
	dsn, _ := schema(t)
	c := newCluster(dsn)
	stale, next := c.start(t), c.start(t)
	defer c.die(t, stale)
	defer c.die(t, next)
	for p := range parts {
		c.take(t, stale, p)
	}
	for p := range parts {
		c.journal(p, mixed(p, 1, 600, 1))
	}
	c.feedAll(t, stale)
	c.take(t, next, 0) // has none of it
	c.checkpoint(t, stale)
	if stale.Holds(0) || !stale.Holds(1) || stale.Position(0) != 0 || stale.Position(1) != 1 {
		t.Errorf("the stale holder holds %v, %v, at %d, %d", stale.Holds(0), stale.Holds(1), stale.Position(0), stale.Position(1))
	}
	var n int
	row := next.d.read.QueryRowContext(context.Background(), `SELECT count(*) FROM chunks c JOIN series s ON s.id = c.series WHERE s.part = 0`)
	if err := row.Scan(&n); err != nil || n != 0 {
		t.Errorf("%d chunks were written without a lease, %v", n, err)
	}
	before := answers(t, stale)
	c.feedAll(t, next)
	c.checkpoint(t, next)
	c.follow(t, stale)
	c.follow(t, next)
	for _, db := range []*DB{stale, next} {
		if got := answers(t, db); got != before {
			t.Errorf("before and after %s", differ(before, got))
		}
	}
	if err := stale.Take(context.Background(), 0, 1); vigil.KindOf(err) != vigil.Conflicting {
		t.Errorf("a take with an old epoch: %v", err)
	}
	if stale.Position(0) != 1 {
		t.Errorf("position %d, want what the holder wrote", stale.Position(0))
	}
}

// TestClusterUnknownOutcome: a holder that does not know that its commit
// succeeded does not write it twice, and holds the partition again.
func TestClusterUnknownOutcome(t *testing.T) {
	dsn, _ := schema(t)
	c := newCluster(dsn)
	db := c.start(t)
	defer c.die(t, db)
	c.take(t, db, 0)
	c.journal(0, mixed(0, 1, 1200, 1))
	c.feedAll(t, db)
	want := answers(t, db)
	db.checkpointing.Lock()
	cut, err := db.commit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	db.giveBack(cut) // the answer to COMMIT was lost
	db.checkpointing.Unlock()
	c.checkpoint(t, db)
	if db.Holds(0) {
		t.Error("wrote it twice")
	}
	c.follow(t, db)
	if got := answers(t, db); got != want || !db.Holds(0) {
		t.Errorf("holds %v; before and after %s", db.Holds(0), differ(want, got))
	}
}

// TestClusterClaim: one store uses a database alone, or several share it.
func TestClusterClaim(t *testing.T) {
	dsn, _ := schema(t)
	c := newCluster(dsn)
	alone := c.config
	alone.Shared = false
	try := func(config Config, want vigil.Kind) {
		t.Helper()
		db, err := Open(context.Background(), config)
		if vigil.KindOf(err) != want {
			t.Errorf("open: %v", err)
		}
		if err == nil {
			c.die(t, db)
		}
	}
	first, second := c.start(t), c.start(t)
	try(alone, vigil.Conflicting)
	c.die(t, first)
	c.die(t, second)
	db, err := Open(context.Background(), alone)
	if err != nil {
		t.Fatal(err)
	}
	try(c.config, vigil.Conflicting)
	try(alone, vigil.Conflicting)
	if err := db.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	last := c.start(t)
	c.die(t, last)
}
