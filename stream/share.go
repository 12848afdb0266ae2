package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

const (
	defaultTTL = 3 * time.Second
	// handsAtOnce is how many partitions are taken or dropped at the same time.
	handsAtOnce = 4
	// restTTLs is for how many TTLs a process takes nothing more after it could
	// not take a partition, and forgetTTLs after how many the presence of one
	// that is gone is removed.
	restTTLs   = 5
	forgetTTLs = 20
	// hintPause gathers changes of others before they are looked at.
	hintPause = 20 * time.Millisecond
)

// ShareConfig says how a process takes part in the sharing of the partitions.
type ShareConfig struct {
	// Holder is the name of this process, for people. Two of the same name
	// are still two.
	Holder string
	// TTL is how long this process counts as present without renewing; 3 s.
	TTL time.Duration
	// Every is how often it renews and looks; a third of TTL.
	Every time.Duration
	// Take makes this process the writer of a partition with an epoch that is
	// greater than all before. When it fails, the partition goes to another.
	// Its ctx ends when this process is no longer present.
	Take func(ctx context.Context, partition int, epoch uint64) error
	// Drop makes it a follower again: because there are others who want the
	// partition, because it leaves, or because the lease is lost already.
	// Whatever Drop returns, the partition is not held any more. Take and Drop
	// are called for several partitions at once, for one never at the same time.
	Drop func(ctx context.Context, partition int) error
	// Leave is how long the last Drops may take when ctx has ended; 10 s.
	Leave time.Duration
}

func (c ShareConfig) withDefaults() (ShareConfig, error) {
	if c.Holder == "" || c.Take == nil || c.Drop == nil {
		return c, vigil.Errorf(vigil.Invalid, "sharing partitions needs a holder, Take and Drop")
	}
	if c.TTL <= 0 {
		c.TTL = defaultTTL
	}
	if c.Every <= 0 || c.Every > c.TTL/2 {
		c.Every = c.TTL / 3
	}
	if c.Leave <= 0 {
		c.Leave = 10 * time.Second
	}
	return c, nil
}

// Share takes part in the sharing of the partitions among the processes of a
// cluster until ctx is done: each gets as many as the others, within one. Then
// it gives back everything, so that the others take over at once, and returns
// the error of ctx. A process that could not renew its presence for TTL drops
// all that it holds and takes part anew when it can.
//
// That two processes never write the same partition is not promised here: a
// process may be stopped for any time between two of its instructions. The
// store's check of the epoch promises it.
func (j *Journal) Share(ctx context.Context, c ShareConfig) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	s := &sharer{j: j, c: c, held: map[int]uint64{}, limit: math.MaxInt, changed: make(chan struct{}, 1)}
	var run [8]byte
	if _, err := rand.Read(run[:]); err != nil {
		return fmt.Errorf("name the run: %w", err)
	}
	s.run = hex.EncodeToString(run[:])
	hint, err := j.reads.Subscribe(leaseSubjects+leaseKeys+"*", func(*nats.Msg) { s.hint() })
	if err != nil {
		return leaseError(err)
	}
	defer func() { _ = hint.Unsubscribe() }()
	life, end := context.WithCancel(j.ctx) // ends after the leaving
	var pulse sync.WaitGroup
	pulse.Go(func() { s.pulse(life) })
	s.takePart(ctx)
	s.leave()
	end()
	pulse.Wait()
	s.vanish()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errClosed()
}

// A sharer is one running Share.
type sharer struct {
	j       *Journal
	c       ShareConfig
	run     string
	changed chan struct{} // something may be worth a look

	mu      sync.Mutex
	held    map[int]uint64 // epoch by partition
	limit   int
	renewed time.Time // when the renewal began that succeeded last
	term    context.Context
	endTerm context.CancelFunc // not nil while this process is present

	rests time.Time // takes no more until then; for takePart alone
}

func (s *sharer) hint() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// pulse renews the presence until ctx is done, and ends the term when that
// did not succeed for TTL.
func (s *sharer) pulse(ctx context.Context) {
	for ctx.Err() == nil {
		begun := s.j.c.Now()
		err := s.renew(ctx)
		s.mu.Lock()
		switch {
		case err == nil:
			s.renewed = begun
			s.begin(ctx)
		case s.endTerm != nil && s.j.c.Now().Sub(s.renewed) >= s.c.TTL:
			s.j.c.Log.Error("could not renew the presence; all partitions are dropped", "holder", s.c.Holder, "error", err)
			s.endTerm()
			s.endTerm = nil
			s.hint()
		}
		s.mu.Unlock()
		if err != nil {
			_ = s.j.wait(ctx, s.c.Every/4)
			continue
		}
		_ = s.j.wait(ctx, s.c.Every)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endTerm != nil {
		s.endTerm()
	}
}

// begin begins a term unless one lasts already.
func (s *sharer) begin(ctx context.Context) {
	if s.endTerm == nil {
		s.term, s.endTerm = context.WithCancel(ctx)
		s.hint()
	}
}

// renew writes the presence once. It takes no longer than the present term
// lasts.
func (s *sharer) renew(ctx context.Context) error {
	s.mu.Lock()
	limit := s.limit
	most := s.c.Every
	if s.endTerm != nil {
		most = min(most, s.c.TTL-s.j.c.Now().Sub(s.renewed))
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, max(most, time.Millisecond))
	defer cancel()
	kv, err := s.j.leaseBucket(ctx)
	if err != nil {
		return err
	}
	b, err := json.Marshal(attendee{Holder: s.c.Holder, Run: s.run, TTL: s.c.TTL, Limit: limit})
	if err != nil {
		return err
	}
	_, err = kv.Put(ctx, presenceKeys+s.run, b)
	return err
}

// present returns the context of the present term, nil when there is none.
func (s *sharer) present() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endTerm == nil {
		return nil
	}
	return s.term
}

// takePart balances whenever something has changed, and every now and then.
func (s *sharer) takePart(ctx context.Context) {
	t := time.NewTicker(s.c.Every)
	defer t.Stop()
	for ctx.Err() == nil && s.j.ctx.Err() == nil {
		if term := s.present(); term == nil {
			s.dropAll()
		} else if err := s.balance(ctx, term); err != nil && term.Err() == nil && ctx.Err() == nil {
			s.j.c.Log.Warn("share partitions", "holder", s.c.Holder, "error", err)
		}
		select {
		case <-t.C:
		case <-s.changed:
			_ = s.j.wait(ctx, hintPause)
		case <-ctx.Done():
		case <-s.j.ctx.Done():
		}
	}
}

// balance looks at the leases once, lets go what is lost or too much, and takes
// what is free and missing.
func (s *sharer) balance(ctx, term context.Context) error {
	look, cancel := context.WithTimeout(term, s.c.TTL)
	defer cancel()
	if _, err := s.j.leaseBucket(look); err != nil {
		return err
	}
	table, err := s.j.lookAtLeases(look)
	if err != nil {
		return err
	}
	s.forget(look, table)
	s.rest()
	var lost, free, surplus []int
	have := s.holding()
	for p, l := range table.leases {
		epoch, ok := have[p]
		switch {
		case ok && (l.Run != s.run || l.Epoch != epoch):
			lost = append(lost, p)
		case !ok && (l.Run == "" || l.Run == s.run || !table.members[l.Run].live):
			free = append(free, p)
		}
	}
	s.each(lost, func(p int) {
		s.j.c.Log.Warn("the lease was lost", "partition", p, "holder", s.c.Holder, "by", table.leases[p].Holder)
		s.drop(term, p)
	})
	quota, rank := table.quota(s.run, s.limitNow())
	have = s.holding()
	if n := len(have) - quota; n > 0 {
		surplus = slices.Sorted(maps.Keys(have))[len(have)-n:]
	}
	s.each(surplus, func(p int) { s.giveBack(term, p) })
	if ctx.Err() != nil {
		return nil
	}
	if n := len(free); n > 0 { // not all begin with the same one
		at := rank * quota % n
		free = append(free[at:n:n], free[:at]...)[:max(0, min(n, quota-len(have)))]
	}
	s.each(free, func(p int) { s.take(ctx, term, p, table.leases[p]) })
	s.tell(have)
	return nil
}

// tell logs how many partitions came or went.
func (s *sharer) tell(before map[int]uint64) {
	now := s.holding()
	came, went := 0, 0
	for p := range now {
		if _, ok := before[p]; !ok {
			came++
		}
	}
	for p := range before {
		if _, ok := now[p]; !ok {
			went++
		}
	}
	if came+went > 0 {
		s.j.c.Log.Info("partitions that this process writes", "holder", s.c.Holder, "now", len(now), "came", came, "went", went)
	}
}

func (s *sharer) holding() map[int]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.held)
}

func (s *sharer) limitNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

func (s *sharer) setLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
}

// rest ends the time in which nothing more is taken.
func (s *sharer) rest() {
	if !s.rests.IsZero() && !s.j.c.Now().Before(s.rests) {
		s.rests = time.Time{}
		s.setLimit(math.MaxInt)
	}
}

// each calls do for every partition, a few at once.
func (s *sharer) each(partitions []int, do func(partition int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, handsAtOnce)
	for _, p := range partitions {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(p)
		})
	}
	wg.Wait()
}

// take writes the lease and then takes the partition.
func (s *sharer) take(ctx, term context.Context, p int, was leaseEntry) {
	both, cancel := context.WithCancel(term)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	v := leaseValue{Holder: s.c.Holder, Run: s.run, Epoch: was.Epoch + 1}
	if was.revision == 0 {
		// A bucket that was lost must not give old epochs again.
		v.Epoch = max(v.Epoch, uint64(max(s.j.c.Now().UnixMilli(), 0)))
	}
	if err := s.writeLease(both, p, v, was.revision); err != nil {
		if !taken(err) {
			s.j.c.Log.Warn("take the lease", "partition", p, "holder", s.c.Holder, "error", err)
		}
		return
	}
	s.mu.Lock()
	s.held[p] = v.Epoch
	s.mu.Unlock()
	err := s.c.Take(both, p, v.Epoch)
	if err == nil {
		s.j.c.Log.Debug("took partition", "partition", p, "epoch", v.Epoch, "holder", s.c.Holder, "from", was.Holder)
		return
	}
	if both.Err() == nil {
		s.j.c.Log.Error("take partition", "partition", p, "epoch", v.Epoch, "holder", s.c.Holder, "error", err)
	}
	s.giveBack(term, p)
	s.mu.Lock()
	s.limit = min(s.limit, len(s.held))
	s.rests = s.j.c.Now().Add(restTTLs * s.c.TTL)
	s.mu.Unlock()
}

// drop lets go of a partition without a word to the others.
func (s *sharer) drop(ctx context.Context, p int) {
	if err := s.c.Drop(ctx, p); err != nil {
		s.j.c.Log.Error("drop partition", "partition", p, "holder", s.c.Holder, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, p)
}

// giveBack drops a partition and frees its lease. The epoch stays.
func (s *sharer) giveBack(ctx context.Context, p int) {
	epoch := s.holding()[p]
	s.drop(ctx, p)
	kv, err := s.j.leaseBucket(ctx)
	if err != nil {
		return // it frees itself when the presence is gone
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.TTL)
	defer cancel()
	var v leaseValue
	entry, err := kv.Get(ctx, leaseKey(p))
	if err == nil {
		err = json.Unmarshal(entry.Value(), &v)
	}
	if err == nil && v.Run == s.run && v.Epoch == epoch {
		err = s.writeLease(ctx, p, leaseValue{Epoch: epoch}, entry.Revision())
	}
	if err != nil {
		s.j.c.Log.Warn("give back the lease", "partition", p, "holder", s.c.Holder, "error", err)
		return
	}
	s.j.c.Log.Debug("gave partition back", "partition", p, "epoch", epoch, "holder", s.c.Holder)
}

// writeLease writes the lease if nobody else did since revision.
func (s *sharer) writeLease(ctx context.Context, p int, v leaseValue, revision uint64) error {
	kv, err := s.j.leaseBucket(ctx)
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.TTL)
	defer cancel()
	_, err = kv.Update(ctx, leaseKey(p), b, revision)
	return err
}

// taken tells whether a lease was not written because somebody else was faster.
func taken(err error) bool { return wrongSequence(err) || errors.Is(err, jetstream.ErrKeyExists) }

// dropAll lets go of everything because this process is not present any more.
func (s *sharer) dropAll() {
	ctx, cancel := context.WithTimeout(s.j.ctx, s.c.Leave)
	defer cancel()
	s.each(slices.Sorted(maps.Keys(s.holding())), func(p int) { s.drop(ctx, p) })
}

// leave gives everything back. First it says that it wants nothing more, so
// that the others know that there is more for them.
func (s *sharer) leave() {
	ctx, cancel := context.WithTimeout(s.j.ctx, s.c.Leave)
	defer cancel()
	s.setLimit(0)
	_ = s.renew(ctx)
	s.each(slices.Sorted(maps.Keys(s.holding())), func(p int) { s.giveBack(ctx, p) })
}

// vanish removes the presence of a process that has given everything back.
func (s *sharer) vanish() {
	ctx, cancel := context.WithTimeout(s.j.ctx, s.c.TTL)
	defer cancel()
	_ = s.j.removePresence(ctx, presenceKeys+s.run)
}

// forget removes the presence of processes that are long gone and hold nothing.
func (s *sharer) forget(ctx context.Context, t *leaseTable) {
	for run, m := range t.members {
		if m.revision > 0 && s.j.gone(run, forgetTTLs*m.TTL) {
			_ = s.j.removePresence(ctx, m.key)
		}
	}
}
