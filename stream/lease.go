package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// A Lease says which process writes a partition to the shared database. Its
// Epoch grows whenever the partition changes hands: the store refuses what comes
// with an older one.
type Lease struct {
	Partition int
	Holder    string // "" when nobody has it
	Epoch     uint64
	// Seen is when the holder last said that it is there, by the clock of the
	// NATS server; zero when it is not known.
	Seen time.Time
	// Live: the holder has been heard within its time, as far as this process
	// has listened.
	Live bool
}

// leaseValue is a lease as it stands in the bucket. It is written only when the
// partition changes hands.
type leaseValue struct {
	Holder string `json:"holder"` // for people
	Run    string `json:"run"`    // the holder's presence; "" when it was given back
	Epoch  uint64 `json:"epoch"`
}

// An attendee is what a process that shares the partitions renews all the time. A
// lease holds for as long as the presence of its run moves.
type attendee struct {
	Holder string        `json:"holder"`
	Run    string        `json:"run"`
	TTL    time.Duration `json:"ttl"` // nanoseconds
	// Limit is how many partitions the process takes at most: none when it
	// leaves, and no more than it has when it could not take one.
	Limit int `json:"limit"`
}

// A leaseEntry is a partition's key, and a member a process, at one revision.
type (
	leaseEntry struct {
		leaseValue
		revision uint64
	}
	member struct {
		attendee
		key      string // in the bucket
		revision uint64
		at       time.Time
		live     bool
	}
)

// A leaseTable is the bucket at one moment.
type leaseTable struct {
	leases  []leaseEntry // by partition; revision 0 when it was never held
	members map[string]member
}

// sightings remember for how long this process has seen each run unmoved: a
// lease has run out when the presence of its holder did not move for its time by
// our own clock, so that no two clocks are ever compared.
type sightings map[string]sighting

type sighting struct {
	revision uint64 // 0: not there
	since    time.Time
}

// see notes a run's revision and returns for how long it has not moved.
func (s sightings) see(run string, revision uint64, now time.Time) time.Duration {
	was, ok := s[run]
	if !ok || was.revision != revision {
		s[run] = sighting{revision, now}
		return 0
	}
	return now.Sub(was.since)
}

// Holders returns the lease of each partition.
func (j *Journal) Holders(ctx context.Context) ([]Lease, error) {
	if _, err := j.leaseBucket(ctx); err != nil {
		return nil, leaseError(err)
	}
	t, err := j.lookAtLeases(ctx)
	if err != nil {
		return nil, leaseError(err)
	}
	out := make([]Lease, len(t.leases))
	for i, l := range t.leases {
		out[i] = Lease{Partition: i, Epoch: l.Epoch}
		if l.Run == "" {
			continue
		}
		m := t.members[l.Run]
		out[i].Holder, out[i].Seen, out[i].Live = l.Holder, m.at, m.live
	}
	return out, nil
}

// lookAtLeases reads the bucket. The leases are read first: the presence of a
// process was there before it took any.
func (j *Journal) lookAtLeases(ctx context.Context) (*leaseTable, error) {
	t := &leaseTable{leases: make([]leaseEntry, len(j.parts)), members: map[string]member{}}
	raws, err := j.lastOf(ctx, leaseKeys)
	if err != nil {
		return nil, err
	}
	for _, r := range raws {
		n, err := strconv.Atoi(strings.TrimPrefix(r.subject, leaseSubjects+leaseKeys))
		if err != nil || n < 0 || n >= len(t.leases) {
			continue // not ours
		}
		e := leaseEntry{revision: r.seq}
		if err := json.Unmarshal(r.data, &e.leaseValue); err != nil {
			return nil, fmt.Errorf("read the lease of partition %d: %w", n, err)
		}
		t.leases[n] = e
	}
	if raws, err = j.lastOf(ctx, presenceKeys); err != nil {
		return nil, err
	}
	for _, r := range raws {
		m := member{key: strings.TrimPrefix(r.subject, leaseSubjects), revision: r.seq, at: r.at}
		if err := json.Unmarshal(r.data, &m.attendee); err != nil {
			return nil, fmt.Errorf("read presence %s: %w", m.key, err)
		}
		t.members[m.Run] = m
	}
	j.judge(t)
	return t, nil
}

// judge finds out who is there. A run that is named by a lease and is not to be
// found is given the usual time, too: a replica may lag behind.
func (j *Journal) judge(t *leaseTable) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen == nil {
		j.seen = sightings{}
	}
	now := j.c.Now()
	for _, l := range t.leases {
		if _, ok := t.members[l.Run]; !ok && l.Run != "" {
			t.members[l.Run] = member{attendee: attendee{Holder: l.Holder, Run: l.Run, TTL: defaultTTL}}
		}
	}
	for run, m := range t.members {
		m.live = j.seen.see(run, m.revision, now) <= m.TTL
		t.members[run] = m
	}
	for run := range j.seen {
		if _, ok := t.members[run]; !ok {
			delete(j.seen, run)
		}
	}
}

// quota returns how many partitions a run should have, and its rank among those
// who share: all are shared equally, those with a limit first; of the rest those
// come first who have the most already, so that as few as possible change hands.
// Who sees the same table comes to the same result.
func (t *leaseTable) quota(run string, limit int) (quota, rank int) {
	self := t.members[run]
	self.Run, self.Limit, self.live = run, limit, true
	t.members[run] = self
	counts := map[string]int{}
	for _, l := range t.leases {
		counts[l.Run]++
	}
	var in []member
	for _, m := range t.members {
		if m.live {
			in = append(in, m)
		}
	}
	slices.SortFunc(in, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.Limit, b.Limit), cmp.Compare(counts[b.Run], counts[a.Run]), cmp.Compare(a.Run, b.Run))
	})
	left := len(t.leases)
	for i, m := range in {
		others := len(in) - i
		quota = min((left+others-1)/others, m.Limit)
		if m.Run == run {
			return quota, i
		}
		left -= quota
	}
	return 0, 0
}

// gone tells whether a run has not moved for d.
func (j *Journal) gone(run string, d time.Duration) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.seen[run]
	return ok && j.c.Now().Sub(s.since) > d
}

// removePresence removes a key without a trace.
func (j *Journal) removePresence(ctx context.Context, key string) error {
	s, err := j.js.Stream(ctx, "KV_"+leaseBucket)
	if err != nil {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSubject(leaseSubjects+key))
}

// lastOf reads the newest value of each key that begins with a prefix.
func (j *Journal) lastOf(ctx context.Context, prefix string) ([]raw, error) {
	q := getRequest{Last: []string{leaseSubjects + prefix + "*"}, MaxBytes: fetchBytes}
	return j.get(ctx, directGet("KV_"+leaseBucket), q)
}

// leaseBucket makes or finds the bucket on first use.
func (j *Journal) leaseBucket(ctx context.Context) (jetstream.KeyValue, error) {
	j.mu.Lock()
	kv := j.leases
	j.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	// More than one revision is kept, so that a key that is written while all
	// are being read is still found.
	kv, err := j.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: leaseBucket, History: 4, Storage: jetstream.FileStorage, Replicas: j.c.Replicas,
	})
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.leases = kv
	return kv, nil
}

func leaseError(err error) error {
	return &vigil.Error{Kind: vigil.Unavailable, Op: "share partitions", Msg: "the leases do not answer", Err: err}
}
