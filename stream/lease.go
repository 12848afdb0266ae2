package stream

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// A Lease says who may consume a partition into a shared store. Its Epoch grows
// whenever the holder changes: the store refuses a position that comes with an
// older one.
type Lease struct {
	Partition int
	Holder    string
	Epoch     uint64
	TTL       time.Duration // how long it holds without being taken anew
}

// leaseValue is a lease as it stands in the bucket.
type leaseValue struct {
	Holder string        `json:"holder"`
	Epoch  uint64        `json:"epoch"`
	TTL    time.Duration `json:"ttl"` // nanoseconds
}

// leaseState remembers how long this process has seen each lease unchanged: a
// lease has run out when it did not move for its time by our own clock, so that
// no two clocks are ever compared.
type leaseState struct {
	bucket jetstream.KeyValue
	seen   map[int]sighting
}

type sighting struct {
	revision uint64
	since    time.Time
}

// Lease takes or renews the lease of a partition for ttl. The holder calls it
// again well before ttl is over; who else wants the partition calls it now and
// then: Conflicting is returned while the other's lease holds. The embedded
// journal has one process only and always grants, with a new epoch for each new
// holder. Kinds besides: NotFound, Invalid, Unavailable.
func (j *Journal) Lease(ctx context.Context, partition int, holder string, ttl time.Duration) (Lease, error) {
	if _, err := j.partition(partition); err != nil {
		return Lease{}, err
	}
	if holder == "" || ttl <= 0 {
		return Lease{}, vigil.Errorf(vigil.Invalid, "a lease needs a holder and a time")
	}
	kv, err := j.leaseBucket(ctx)
	if err != nil {
		return Lease{}, j.leaseError(err)
	}
	key := leaseKey(partition)
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return j.takeLease(ctx, partition, leaseValue{Holder: holder, Epoch: 1, TTL: ttl}, 0)
	}
	if err != nil {
		return Lease{}, j.leaseError(err)
	}
	var v leaseValue
	if err := json.Unmarshal(entry.Value(), &v); err != nil {
		return Lease{}, vigil.Errorf(vigil.Internal, "read lease of partition %d: %w", partition, err)
	}
	if v.Holder != holder {
		if j.server == nil && !j.ranOut(partition, entry.Revision(), v.TTL) {
			return Lease{}, vigil.Errorf(vigil.Conflicting, "partition %d is leased by %s", partition, v.Holder)
		}
		v.Holder = holder
		v.Epoch++
	}
	v.TTL = ttl
	return j.takeLease(ctx, partition, v, entry.Revision())
}

// takeLease writes the lease if nobody else did since revision.
func (j *Journal) takeLease(ctx context.Context, partition int, v leaseValue, revision uint64) (Lease, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Lease{}, j.leaseError(err)
	}
	if _, err := j.leases.bucket.Update(ctx, leaseKey(partition), b, revision); err != nil {
		if wrongSequence(err) || errors.Is(err, jetstream.ErrKeyExists) {
			return Lease{}, vigil.Errorf(vigil.Conflicting, "partition %d was leased by another at the same time", partition)
		}
		return Lease{}, j.leaseError(err)
	}
	return Lease{Partition: partition, Holder: v.Holder, Epoch: v.Epoch, TTL: v.TTL}, nil
}

// ranOut tells whether the lease has stood at revision for longer than its time.
func (j *Journal) ranOut(partition int, revision uint64, ttl time.Duration) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.leases.seen == nil {
		j.leases.seen = map[int]sighting{}
	}
	now := j.c.Now()
	s, ok := j.leases.seen[partition]
	if !ok || s.revision != revision {
		j.leases.seen[partition] = sighting{revision, now}
		return false
	}
	return now.Sub(s.since) > ttl
}

// leaseBucket makes or finds the bucket on first use.
func (j *Journal) leaseBucket(ctx context.Context) (jetstream.KeyValue, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.leases.bucket != nil {
		return j.leases.bucket, nil
	}
	kv, err := j.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: leaseBucket, History: 1, Storage: jetstream.FileStorage, Replicas: j.c.Replicas,
	})
	if err != nil {
		return nil, err
	}
	j.leases.bucket = kv
	return kv, nil
}

func (j *Journal) leaseError(err error) error {
	return &vigil.Error{Kind: vigil.Unavailable, Op: "lease partition", Msg: "the leases do not answer", Err: err}
}
