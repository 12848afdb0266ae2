package stream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Trim deletes the frames of a partition with a sequence below before. The
// caller knows that every consumer is past them.
func (j *Journal) Trim(ctx context.Context, partition int, before uint64) error {
	p, err := j.partition(partition)
	if err != nil {
		return err
	}
	before = min(before, p.head.Load()+1)
	if before <= 1 {
		return nil
	}
	// The mark goes first: what is missing behind it would be taken for lost.
	j.mu.Lock()
	j.trimmed[partition] = max(j.trimmed[partition], before)
	j.mu.Unlock()
	j.saveMarks()
	if err := p.stream.Purge(ctx, jetstream.WithPurgeSequence(before)); err != nil {
		return j.readError(err)
	}
	p.stats.first.Store(max(p.stats.first.Load(), before))
	return nil
}

// OldestAfter returns the sequence of the first frame that was stored at or
// after t; the next one to come when there is none.
func (j *Journal) OldestAfter(ctx context.Context, partition int, t time.Time) (uint64, error) {
	p, err := j.partition(partition)
	if err != nil {
		return 0, err
	}
	info, err := p.stream.Info(ctx)
	if err != nil {
		return 0, j.readError(err)
	}
	st := info.State
	switch {
	case st.Msgs == 0 || t.After(st.LastTime):
		return st.LastSeq + 1, nil
	case !t.After(st.FirstTime):
		return st.FirstSeq, nil
	}
	raws, err := j.get(ctx, directGet(streamName(partition)), getRequest{Start: &t, Batch: 1, MaxBytes: fetchBytes})
	if err != nil {
		return 0, j.readError(err)
	}
	if len(raws) == 0 {
		return st.LastSeq + 1, nil
	}
	return raws[0].seq, nil
}

// Bytes returns how much the journal takes on disk, as the server counts it;
// when the server does not answer, as it counted last.
func (j *Journal) Bytes() uint64 {
	ctx, cancel := context.WithTimeout(j.ctx, answerLimit)
	defer cancel()
	total := uint64(0)
	for _, p := range j.parts {
		info, err := p.stream.Info(ctx)
		if err != nil {
			return j.bytes.Load()
		}
		total += info.State.Bytes
	}
	j.bytes.Store(total)
	return total
}
