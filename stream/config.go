package stream

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// Config says where the journal is and how it gathers. Zero values take the
// defaults named here.
type Config struct {
	// Dir holds the embedded server's store and the acknowledged high-water
	// mark. With a URL it may be empty; then no high-water mark is kept.
	Dir string
	// URL of an external NATS cluster, nats://user:password@host:4222 with
	// commas between several; "" runs the server in this process.
	URL string
	// Replicas of each stream in an external cluster; 1.
	Replicas int
	// Monitor lists the monitoring addresses of the external servers, such as
	// http://host:8222: each must say that it syncs always. Without them the
	// journal cannot know, and says so in its log and its Stats.
	Monitor []string
	// Partitions is fixed when the folder (or cluster) is first used; 0 takes
	// the number that is there, 4 for a new one.
	Partitions int
	// MaxWait is how long a frame waits at most for company while nothing is
	// in flight; 2 ms.
	MaxWait time.Duration
	// MaxFrame is how many bytes of records a frame gathers; 256 KiB. A single
	// larger record is a frame by itself.
	MaxFrame int
	// MaxQueue is how many bytes may wait per partition; 16 MiB.
	MaxQueue int
	// Ring is how many bytes of written records each partition keeps in
	// memory, so that consumers that keep up need not decode; 8 MiB.
	Ring int
	// MinFree is how many bytes must stay free on the disk; 256 MiB. Below,
	// appends are refused with vigil.Full.
	MinFree uint64
	// Patience is how long an Append waits in front of a full queue before it
	// gives up with vigil.Overloaded; 10 s.
	Patience time.Duration
	// Answer is how long one attempt to write a frame waits for the server; 5 s.
	// After it the stream is asked whether the frame is there.
	Answer time.Duration
	// GiveUp is how long a frame is tried before its senders are told that it
	// was not kept; 30 s.
	GiveUp time.Duration
	Sealer seal.Sealer // seal.Plain
	Now    func() time.Time
	Log    *slog.Logger
	// Fatal is called, perhaps more than once and on any goroutine, when the
	// journal can no longer keep anything until the program is started anew.
	Fatal func(error)
	// Damaged is called once for each frame or range of frames that no longer
	// reads, before the records that still do are handed on.
	Damaged func(*DamagedError)

	// tune changes the embedded server's options, and free tells the free
	// bytes of a folder: seams for tests of this room.
	tune func(*server.Options)
	free func(dir string) (uint64, error)

	// broken is set when the embedded server said that it writes no more.
	broken *atomic.Bool
}

const (
	defaultPartitions = 4
	partitionsMax     = 1 << 10
	// payloadMax is the largest message that the embedded server takes.
	payloadMax = 8 << 20
	// frameRoom is what a frame needs besides one record: dictionary,
	// directory, header.
	frameRoom = 64 << 10
)

// withDefaults fills in what was left zero.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" && c.URL == "" {
		return c, vigil.Errorf(vigil.Invalid, "the journal needs a folder or the URL of a NATS cluster")
	}
	if c.Partitions < 0 || c.Partitions > partitionsMax {
		return c, vigil.Errorf(vigil.Invalid, "%d partitions: want 1 to %d", c.Partitions, partitionsMax)
	}
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&c.Replicas, 1)
	orInt(&c.MaxFrame, 256<<10)
	orInt(&c.MaxQueue, 16<<20)
	orInt(&c.Ring, 8<<20)
	orTime(&c.MaxWait, 2*time.Millisecond)
	orTime(&c.Patience, 10*time.Second)
	orTime(&c.Answer, 5*time.Second)
	orTime(&c.GiveUp, 30*time.Second)
	c.MaxFrame = min(c.MaxFrame, payloadMax/4)
	if c.MinFree == 0 {
		c.MinFree = 256 << 20
	}
	if c.Sealer == nil {
		c.Sealer = seal.Plain{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Fatal == nil {
		c.Fatal = func(error) {}
	}
	c.broken = new(atomic.Bool)
	if c.free == nil {
		c.free = freeBytes
	}
	return c, nil
}
