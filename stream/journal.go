package stream

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// A Journal is the durable record of everything that devices said.
type Journal struct {
	c         Config
	producer  uint64 // this run of the program, in every frame that it writes
	recordMax int    // the largest encoded record
	symbols   *symbols
	pool      sync.Pool // *parcel
	batches   sync.Pool // *batch
	decoders  sync.Pool // *decoder
	synced    bool      // the server said that it syncs every write

	server *server.Server // nil with an external cluster
	writes *nats.Conn
	reads  *nats.Conn
	js     jetstream.JetStream // on the writing connection
	parts  []*partition
	slots  *slots // what was acknowledged since the high-water mark was saved

	ctx     context.Context // the journal's own life: ends when it is shut, or given up
	cancel  context.CancelFunc
	serving sync.WaitGroup // committers and ackers
	keeping sync.WaitGroup // keeper and followers
	closing atomic.Bool
	full    atomic.Bool
	free    atomic.Uint64
	since   atomic.Uint64 // bytes written since free was asked
	bytes   atomic.Uint64

	mu      sync.Mutex
	trimmed []uint64 // first frame kept, by partition
	saved   []mark
	damage  []*DamagedError
	damaged map[place]bool
	leases  jetstream.KeyValue // nil until it is used
	seen    sightings
}

// A place is a frame in the journal.
type place struct {
	partition int
	seq       uint64
}

// Open starts the journal: the embedded server, or the connection to the
// cluster; the streams; what serves them. It refuses (Unavailable) whatever
// would not sync before it acknowledges, and (Conflicting) another number of
// partitions than the journal was made with.
func Open(ctx context.Context, c Config) (*Journal, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	j := &Journal{c: c, symbols: newSymbols(), damaged: map[place]bool{}}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("name the producer: %w", err)
	}
	j.producer = binary.LittleEndian.Uint64(id[:])
	j.ctx, j.cancel = context.WithCancel(context.Background())
	if err := j.open(ctx); err != nil {
		j.shut()
		return nil, err
	}
	return j, nil
}

func (j *Journal) open(ctx context.Context) error {
	hw, hwErr := loadHighWater(j.c.Dir)
	if hwErr == nil && j.c.Dir != "" { // else nobody knows what was trimmed
		hwErr = hw.raise(j.c.Dir)
	}
	if hwErr != nil {
		j.c.Log.Error("journal goes on without its high-water mark", "error", hwErr)
	}
	if err := j.start(ctx, hw); err != nil {
		return err
	}
	n, err := settlePartitions(ctx, j.js, j.c, hw)
	if err != nil {
		return err
	}
	if j.c.Dir != "" && hwErr == nil {
		if j.slots, err = openSlots(j.c.Dir, hw, n); err != nil {
			return vigil.Errorf(vigil.Unavailable, "%w", err)
		}
	}
	j.trimmed = make([]uint64, n)
	j.saved = make([]mark, n)
	for i := range n {
		if err := j.openPartition(ctx, i, n, hw.of(i)); err != nil {
			return err
		}
	}
	j.look()
	for _, p := range j.parts {
		j.serving.Go(p.commit)
		j.serving.Go(p.acknowledge)
		if j.server == nil {
			j.keeping.Go(p.follow)
		}
	}
	j.keeping.Go(j.keep)
	return nil
}

// start brings up the server and the two connections.
func (j *Journal) start(ctx context.Context, hw *highWater) (err error) {
	if j.c.Dir != "" {
		if err := os.MkdirAll(j.c.Dir, 0o700); err != nil {
			return vigil.Errorf(vigil.Unavailable, "make the journal's folder: %w", err)
		}
	}
	if j.c.URL == "" {
		if err := begin(j.c.Dir, hw); err != nil { // it only saves more when it works
			j.c.Log.Error("prepare the journal's files", "error", err)
		}
		if j.server, err = startServer(j.c); err != nil {
			return err
		}
		j.synced = true
	}
	for _, m := range j.c.Monitor {
		if err := checkMonitor(ctx, m); err != nil {
			return err
		}
		j.synced = true
	}
	if !j.synced {
		j.c.Log.Warn("the NATS servers were not asked whether they sync every write; name their monitoring addresses")
	}
	closed := func() {
		if !j.closing.Load() {
			j.c.Fatal(vigil.Errorf(vigil.Unavailable, "the connection to the journal was closed"))
		}
	}
	if j.writes, err = connect(j.c, j.server, connWrite, closed); err != nil {
		return err
	}
	if j.reads, err = connect(j.c, j.server, connRead, closed); err != nil {
		return err
	}
	j.recordMax = int(j.writes.MaxPayload()) - 2*frameRoom
	if j.recordMax < frameRoom {
		return vigil.Errorf(vigil.Unavailable, "the NATS server takes messages of %d bytes only; the journal needs 1 MiB", j.writes.MaxPayload())
	}
	j.c.MaxFrame = min(j.c.MaxFrame, j.recordMax/2)
	if j.js, err = jetstream.New(j.writes, jetstream.WithDefaultTimeout(answerLimit)); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	return nil
}

// openPartition opens one stream. Where it ends before its high-water mark,
// synced frames are gone: that is reported, and the lost sequences are filled,
// because a consumer that knows them would take new frames in their place for
// old ones.
func (j *Journal) openPartition(ctx context.Context, i, n int, m mark) error {
	s, st, err := openStream(ctx, j.js, j.c, i, n, m)
	if err != nil {
		return err
	}
	p := newPartition(j, i, s, st)
	j.parts = append(j.parts, p)
	if err := p.blocks.syncAll(j.c.Dir); err != nil {
		return err
	}
	j.trimmed[i] = max(m.first, st.FirstSeq, 1)
	lost := func(from, to uint64) {
		j.report(&DamagedError{Partition: i, Seq: from, Last: to, Whole: true, Err: errLost})
	}
	// The oldest are gone, or all. In a cluster another node may have trimmed.
	if known := max(m.first, 1); j.server != nil && m.last > 0 && st.FirstSeq > known {
		lost(known, min(st.FirstSeq-1, m.last))
	}
	if err := p.missing(st); err != nil {
		return err
	}
	if st.LastSeq < m.last {
		return p.fill(m.last)
	}
	if j.c.Dir == "" {
		return nil
	}
	return p.tidyAside(j.trimmed[i])
}

// keep looks at the disk and saves the high-water mark until the journal is
// closed.
func (j *Journal) keep() {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-t.C:
			j.look()
			if n%savesEvery == 0 {
				j.saveMarks()
			}
		case <-j.ctx.Done():
			return
		}
	}
}

const (
	lookEvery  = 250 * time.Millisecond // at 50 MB/s that is 12 MB of MinFree
	savesEvery = 4                      // looks between two saves of the high-water mark
)

// look notes whether the disk is nearly full.
func (j *Journal) look() {
	if j.c.Dir == "" {
		return
	}
	free, err := j.c.free(j.c.Dir)
	if err != nil {
		j.c.Log.Error("ask for the journal's free space", "error", err)
		return
	}
	j.free.Store(free)
	j.since.Store(0)
	full := free < j.c.MinFree
	if j.full.Swap(full) != full {
		j.c.Log.Warn("journal disk", "nearly_full", full, "free_bytes", free, "wanted_bytes", j.c.MinFree)
	}
}

// spend notes that bytes were written since the last look, so that a fast writer
// cannot fill the disk between two looks.
func (j *Journal) spend(bytes int) {
	since := j.since.Add(uint64(bytes)) // #nosec G115 -- a length
	free := j.free.Load()
	if j.server == nil || free == 0 || free >= since+j.c.MinFree {
		return
	}
	if !j.full.Swap(true) {
		j.c.Log.Warn("journal disk", "nearly_full", true, "written_bytes", since, "wanted_bytes", j.c.MinFree)
	}
}

// saveMarks saves the acknowledged high-water mark when it has moved.
func (j *Journal) saveMarks() {
	if j.c.Dir == "" {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	h := highWater{marks: make([]mark, len(j.parts))}
	moved := false
	for i, p := range j.parts {
		h.marks[i] = mark{first: j.trimmed[i], last: p.head.Load()}
		moved = moved || h.marks[i] != j.saved[i]
	}
	if !moved {
		return
	}
	if err := h.save(j.c.Dir); err != nil {
		j.c.Log.Error("save the journal's high-water mark", "error", err)
		return
	}
	copy(j.saved, h.marks)
}

// report tells of a damage, once.
func (j *Journal) report(d *DamagedError) {
	const kept = 1000
	j.mu.Lock()
	at := place{d.Partition, d.Seq}
	known := j.damaged[at]
	for _, o := range j.damage { // a range was reported as a whole
		known = known || o.Whole && d.Whole && o.Partition == d.Partition && o.Seq <= d.Seq && d.Last <= o.Last
	}
	if !known && len(j.damage) < kept {
		j.damaged[at] = true
		j.damage = append(j.damage, d)
	}
	j.mu.Unlock()
	if known {
		return
	}
	j.c.Log.Error("journal damaged", "partition", d.Partition, "frame", d.Seq, "last_frame", d.Last, "error", d.Err)
	if j.c.Damaged != nil {
		j.c.Damaged(d)
	}
}

// Partitions returns how many partitions the journal has.
func (j *Journal) Partitions() int { return len(j.parts) }

func (j *Journal) partition(n int) (*partition, error) {
	if n < 0 || n >= len(j.parts) {
		return nil, vigil.Errorf(vigil.NotFound, "the journal has no partition %d", n)
	}
	return j.parts[n], nil
}

// Head returns the last durable sequence of a partition, 0 when it is empty.
func (j *Journal) Head(partition int) uint64 {
	p, err := j.partition(partition)
	if err != nil {
		return 0
	}
	return p.head.Load()
}

// Close takes no more records, writes those that wait, tells their senders, and
// stops everything. When ctx ends first, what is not written by then is refused
// and the error of ctx returned. A second Close does nothing.
func (j *Journal) Close(ctx context.Context) error {
	if j.closing.Swap(true) {
		return nil
	}
	for _, p := range j.parts {
		p.queue.close()
	}
	written := make(chan struct{})
	go func() {
		j.serving.Wait()
		close(written)
	}()
	var err error
	select {
	case <-written:
	case <-ctx.Done():
		err = ctx.Err()
		j.cancel()
		<-written
	}
	j.shut()
	j.saveMarks()
	return err
}

// shut stops what runs, in the order in which it was started, backwards.
func (j *Journal) shut() {
	j.closing.Store(true)
	j.cancel()
	j.keeping.Wait()
	for _, nc := range []*nats.Conn{j.reads, j.writes} {
		if nc != nil {
			nc.Close()
		}
	}
	if j.server != nil {
		stopServer(j.server)
		if err := j.end(); err != nil {
			j.c.Log.Error("note that the journal was stopped", "error", err)
		}
	}
	if err := j.slots.close(); err != nil {
		j.c.Log.Error("close acknowledged sequences", "error", err)
	}
}

// wait returns after d, earlier with an error when ctx or the journal ends.
func (j *Journal) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-j.ctx.Done():
		return errClosed()
	}
}

// follow notices what other nodes write to the partition: it is told the
// sequences, without the frames.
func (p *partition) follow() {
	for p.j.ctx.Err() == nil {
		if err := p.followOnce(); err != nil && p.j.ctx.Err() == nil {
			p.j.c.Log.Warn("follow journal", "partition", p.number, "error", err)
		}
		_ = p.j.wait(p.j.ctx, followPause)
	}
}

func (p *partition) followOnce() error {
	js, err := jetstream.New(p.j.reads)
	if err != nil {
		return err
	}
	c, err := js.OrderedConsumer(p.j.ctx, streamName(p.number), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: p.head.Load() + 1, HeadersOnly: true,
	})
	if err != nil {
		return err
	}
	it, err := c.Messages()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(p.j.ctx, it.Stop)
	defer stop()
	defer it.Stop()
	for {
		m, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		p.setHead(meta.Sequence.Stream)
	}
}
