package stream

import (
	"errors"

	"github.com/cespare/xxhash/v2"

	"github.com/vigil-iomt/vigil"
)

// PartitionOf returns where the records of a subject go. It depends on the
// number of partitions and on nothing else.
func (j *Journal) PartitionOf(s vigil.Subject) int {
	var d xxhash.Digest
	d.ResetWithSeed(0)
	_, _ = d.Write([]byte{byte(s.Kind)})
	_, _ = d.WriteString(s.ID)
	return int(d.Sum64() % uint64(len(j.parts))) // #nosec G115 -- fewer than the partitions
}

// partitionOf returns where a record goes. What has no subject stays with its
// device, so that a device's unreadable messages keep their order.
func (j *Journal) partitionOf(r *vigil.Record) int {
	switch {
	case r.Subject.Kind != vigil.NoSubject:
		return j.PartitionOf(r.Subject)
	case r.Message.Device == "" && r.Change != nil:
		return j.PartitionOf(vigil.Unattributed(r.Change.Device))
	}
	return j.PartitionOf(vigil.Unattributed(r.Message.Device))
}

// Append takes records into the journal and calls done exactly once: with nil
// when all of them are synced to disk, otherwise with an *vigil.Error, after
// which some of the records may still be there (those of other partitions).
// It blocks while the queues are full. done runs on a goroutine that serves a
// whole partition and must not block. Records put by one goroutine are kept in
// the order in which they were put. The records and all that they point to
// belong to the journal from now on and must not be changed any more.
//
// Kinds: Full when the disk is nearly full, Overloaded when the queue stayed
// full or the journal cannot write, TooLarge and Invalid for records that
// cannot be written, Unavailable when the journal is closed.
func (j *Journal) Append(recs []vigil.Record, done func(error)) {
	if err := j.refusal(); err != nil {
		done(err)
		return
	}
	b := j.batch(done)
	var one [1]route
	routes, err := j.encode(recs, b, one[:0])
	if err != nil || len(routes) == 0 {
		for _, r := range routes {
			j.recycle(r.parcel)
		}
		done(err)
		return
	}
	b.left.Store(int32(len(routes))) // #nosec G115 -- fewer than the records
	for i, r := range routes {
		p := j.parts[r.partition]
		err := p.trouble()
		if err == nil {
			err = p.queue.put(r.parcel, j.c.Patience)
		}
		if err != nil {
			for _, left := range routes[i:] {
				j.recycle(left.parcel)
				b.settle(err)
			}
			return
		}
	}
}

// A route is a parcel on its way to a partition.
type route struct {
	partition int
	parcel    *parcel
}

// refusal says why nothing is taken at the moment.
func (j *Journal) refusal() error {
	switch {
	case j.closing.Load():
		return errClosed()
	case j.full.Load():
		return vigil.Errorf(vigil.Full, "the disk of the journal is nearly full: less than %d MiB are free", j.c.MinFree>>20)
	}
	return nil
}

// encode writes the records into parcels, in order; a partition may get several
// parcels when there is more than fits into a frame.
func (j *Journal) encode(recs []vigil.Record, b *batch, routes []route) ([]route, error) {
	for i := range recs {
		rec := &recs[i]
		n := j.partitionOf(rec)
		p := lastOf(routes, n)
		if p == nil {
			p = j.parcel(b)
			routes = append(routes, route{n, p})
		}
		pc, err := j.encodeInto(p, rec, recs[i+1:])
		if err == nil && len(p.pieces) > 0 && (pc.body > j.c.MaxFrame || p.samples+pc.samples > samplesMax) {
			p.buf = p.buf[:p.pieces[len(p.pieces)-1].body]
			p = j.parcel(b)
			routes = append(routes, route{n, p})
			pc, err = j.encodeInto(p, rec, recs[i+1:])
		}
		if err != nil {
			return routes, err
		}
		p.records = append(p.records, *rec)
		p.pieces = append(p.pieces, pc)
		p.samples += pc.samples
		p.cost += costOf(rec)
	}
	return routes, nil
}

// encodeInto writes one record behind the others of a parcel.
func (j *Journal) encodeInto(p *parcel, rec *vigil.Record, next []vigil.Record) (piece, error) {
	from := len(p.buf)
	pc, err := p.record(rec, rec.Subject.Kind == vigil.NoSubject || sharedPayload(rec, next))
	if err != nil {
		var e *vigil.Error
		if errors.As(err, &e) && e.Op == "" {
			e.Op = "append to journal"
		}
		return pc, err
	}
	if size := pc.body - from; size > j.recordMax {
		return pc, vigil.Errorf(vigil.TooLarge, "a message of %d bytes: the journal takes %d", size, j.recordMax)
	}
	return pc, nil
}

// sharedPayload tells whether the record's raw message speaks of more than one
// subject: the records of the others follow it without a payload. Such bytes
// must not be sealed under one patient's key.
func sharedPayload(rec *vigil.Record, next []vigil.Record) bool {
	m := &rec.Message
	if len(m.Payload) == 0 {
		return false
	}
	for i := range next {
		o := &next[i].Message
		if len(o.Payload) > 0 || o.Device != m.Device || o.Arrived != m.Arrived || o.ID != m.ID || o.Channel != m.Channel {
			return false
		}
		if next[i].Subject != rec.Subject {
			return true
		}
	}
	return false
}

// lastOf returns the parcel that a partition's next record goes into.
func lastOf(routes []route, partition int) *parcel {
	for i := len(routes) - 1; i >= 0; i-- {
		if routes[i].partition == partition {
			return routes[i].parcel
		}
	}
	return nil
}

// batch returns a batch with nothing in it.
func (j *Journal) batch(done func(error)) *batch {
	b, ok := j.batches.Get().(*batch)
	if !ok {
		b = &batch{home: &j.batches}
	}
	b.done = done
	return b
}

func (j *Journal) parcel(b *batch) *parcel {
	p, ok := j.pool.Get().(*parcel)
	if !ok {
		p = &parcel{}
	}
	p.symbols = j.symbols
	p.batch = b
	return p
}

// bufferMax is the largest buffer that a parcel keeps for its next use.
const bufferMax = 64 << 10

func (j *Journal) recycle(p *parcel) {
	if cap(p.buf) > bufferMax {
		return
	}
	p.reset()
	j.pool.Put(p)
}
