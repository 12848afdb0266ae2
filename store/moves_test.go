package store

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// lastKey is how many different readings the moves test knows.
const lastKey = 60

// shifting is a device that goes from patient to patient, in hindsight, too:
// who owns each reading is known to the registry, while frames lie in two
// partitions and are consumed in any order between them.
type shifting struct {
	history
	clock    vigil.Instant
	owner    [lastKey]int // of the reading with each key, by what the registry says now
	sent     [lastKey]bool
	consumed [2]int // frames that the store was given
	metric   *vigil.Metric
}

func (s *shifting) subject(p int) vigil.Subject {
	return vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", p)))
}

// journal appends a record to the partition of a subject.
func (s *shifting) journal(p int, r vigil.Record) {
	s.clock++
	r.Message.Device, r.Message.Arrived = "d", s.clock
	f := vigil.Frame{Partition: p, Seq: uint64(len(s.frames[p]) + 1), At: s.clock, Records: []vigil.Record{r}}
	s.frames[p] = append(s.frames[p], f)
}

// measure sends a run of readings to whom they belong by now.
func (s *shifting) measure(t *rapid.T) {
	first := rapid.IntRange(1, lastKey-1).Draw(t, "first")
	var of [2][]vigil.Reading
	for key := first; key < min(lastKey, first+rapid.IntRange(1, 20).Draw(t, "n")); key++ {
		s.sent[key] = true
		at := vigil.Instant(key)
		of[s.owner[key]] = append(of[s.owner[key]], vigil.Reading{Metric: s.metric, Taken: at, Stated: at, Value: float64(key), KeyKind: vigil.KeyTime, Key: uint64(key)})
	}
	for p, rs := range of {
		if len(rs) > 0 {
			s.journal(p, vigil.Record{Kind: vigil.Understood, Subject: s.subject(p), Readings: rs})
		}
	}
}

// move gives an interval to another patient.
func (s *shifting) move(t *rapid.T) {
	from := rapid.IntRange(1, lastKey-1).Draw(t, "from")
	to := rapid.IntRange(from+1, lastKey).Draw(t, "to")
	p := rapid.IntRange(0, 1).Draw(t, "patient")
	for key := from; key < to; key++ {
		s.owner[key] = p
	}
	s.journal(p, vigil.Record{Kind: vigil.Reattributed, Subject: s.subject(p), Change: &vigil.Reattribution{
		ID: fmt.Sprintf("%06d", s.clock), Device: "d", During: vigil.Interval{From: vigil.Instant(from), To: vigil.Instant(to)}, To: s.subject(p),
	}})
}

// consume gives the store some frames of one partition.
func (s *shifting) consume(t *rapid.T, p, n int) {
	for _, f := range s.frames[p][s.consumed[p]:min(len(s.frames[p]), s.consumed[p]+n)] {
		if err := s.db.Consume(context.Background(), f); err != nil {
			t.Fatalf("consume: %v", err)
		}
		s.consumed[p]++
	}
}

// start opens the store, which knows as much as it had committed.
func (s *shifting) start(t *rapid.T) {
	db, err := Open(context.Background(), s.config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	s.db = db
	for p := range s.consumed {
		s.consumed[p] = int(db.Position(p))
	}
}

// settled checks that each reading stands with its owner, once.
func (s *shifting) settled(t *rapid.T) {
	for p := range 2 {
		s.consume(t, p, len(s.frames[p]))
	}
	for p := range 2 {
		var got, want []vigil.Instant
		if id, ok := s.db.SeriesFor(s.subject(p), "d", "", s.metric); ok {
			pts, err := s.db.Points(context.Background(), vigil.PointQuery{Series: id})
			if err != nil {
				t.Fatalf("points: %v", err)
			}
			for _, q := range pts {
				if q.Quality != 0 || q.Value != float64(q.Taken) {
					t.Fatalf("patient %d has %+v", p, q)
				}
				got = append(got, q.Taken)
			}
		}
		for key := range s.owner {
			if s.sent[key] && s.owner[key] == p {
				want = append(want, vigil.Instant(key))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("patient %d has %v, want %v", p, got, want)
		}
	}
}

// TestMoves has readings, repeats, moves, checkpoints and crashes in any order,
// with the two partitions of the journal consumed at their own pace.
func TestMoves(t *testing.T) {
	fresh := empty(t)
	rapid.Check(t, func(t *rapid.T) {
		s := &shifting{metric: &vigil.Metric{Name: "a", Unit: "1"}}
		s.config = fresh(t)
		s.start(t)
		defer func() {
			if s.db != nil {
				s.crash(t)
			}
		}()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0:
				s.crash(t)
				s.start(t)
			case 1, 2:
				if err := s.db.Checkpoint(context.Background()); err != nil {
					t.Fatalf("checkpoint: %v", err)
				}
			case 3:
				s.settled(t)
			case 4, 5:
				s.move(t)
			case 6, 7, 8, 9:
				s.consume(t, rapid.IntRange(0, 1).Draw(t, "partition"), rapid.IntRange(1, 3).Draw(t, "frames"))
			default:
				s.measure(t)
			}
		}
		s.settled(t)
	})
}
