package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// settlePartitions returns how many partitions the journal has. The number is
// fixed when the folder or cluster is first used, because the partition of a
// subject, and with it the order of its readings, depends on it.
func settlePartitions(ctx context.Context, js jetstream.JetStream, c Config, hw *highWater) (int, error) {
	have := len(hw.marks)
	s, err := js.Stream(ctx, streamName(0))
	switch {
	case err == nil:
		n, err := strconv.Atoi(s.CachedInfo().Config.Metadata[metaPartitions])
		if err != nil || n < 1 || n > partitionsMax {
			return 0, vigil.Errorf(vigil.Conflicting, "stream %s was not made by this program", streamName(0))
		}
		have = n
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, vigil.Errorf(vigil.Unavailable, "look for the journal's streams: %w", err)
	}
	switch {
	case have == 0 && c.Partitions == 0:
		return defaultPartitions, nil
	case have == 0:
		return c.Partitions, nil
	case c.Partitions != 0 && c.Partitions != have:
		return 0, vigil.Errorf(vigil.Conflicting,
			"the journal was made with %d partitions and cannot be opened with %d: set the number of partitions to %d, or leave it out; changing it needs a new data folder and an import",
			have, c.Partitions, have)
	}
	return have, nil
}

// streamConfig is how a partition's stream is made. first is the sequence that
// its first frame gets, 0 for 1.
func streamConfig(c Config, partition, partitions int, first uint64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamName(partition), Subjects: []string{frameSubject(partition)},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		PersistMode: jetstream.DefaultPersistMode, Replicas: c.Replicas, AllowDirect: true,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, FirstSeq: first,
		Metadata: map[string]string{
			metaPartitions: strconv.Itoa(partitions), metaFormat: strconv.Itoa(frameVersion),
		},
	}
}

// openStream finds or makes a partition's stream and refuses one that would not
// keep what it acknowledges. It returns the sequences that are in it.
func openStream(ctx context.Context, js jetstream.JetStream, c Config, partition, partitions int, mark mark) (jetstream.Stream, jetstream.StreamState, error) {
	var none jetstream.StreamState
	s, err := js.Stream(ctx, streamName(partition))
	if err == nil && c.URL == "" && emptied(s.CachedInfo().State, mark) {
		if err = js.DeleteStream(ctx, streamName(partition)); err == nil {
			err = jetstream.ErrStreamNotFound
		}
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		first := uint64(0)
		if mark.last > 0 {
			first = mark.last + 1
			if c.URL == "" {
				first = firstAside(c.Dir, partition, max(mark.first, 1), mark.last)
			}
		}
		s, err = js.CreateStream(ctx, streamConfig(c, partition, partitions, first))
	}
	if err != nil {
		return nil, none, vigil.Errorf(vigil.Unavailable, "open stream %s: %w", streamName(partition), err)
	}
	info, err := s.Info(ctx)
	if err != nil {
		return nil, none, vigil.Errorf(vigil.Unavailable, "read back stream %s: %w", streamName(partition), err)
	}
	if err := checkStream(info.Config); err != nil {
		return nil, none, err
	}
	return s, info.State, nil
}

// emptied tells whether a stream lost all its frames: it is made anew behind
// its high-water mark, so that no sequence is given twice. Only where no other
// node can be writing to it.
func emptied(st jetstream.StreamState, m mark) bool { return st.Msgs == 0 && st.LastSeq < m.last }

// checkStream reads back what decides whether an acknowledgement means "on
// disk": persist mode async turns the server's sync off without a word.
func checkStream(c jetstream.StreamConfig) error {
	wrong := ""
	switch {
	case c.Storage != jetstream.FileStorage:
		wrong = "is not kept in files"
	case c.PersistMode != jetstream.DefaultPersistMode:
		wrong = "has a persist mode that does not sync"
	case c.NoAck:
		wrong = "does not acknowledge"
	case !c.AllowDirect:
		wrong = "does not allow direct reads"
	case c.MaxAge != 0 || c.MaxBytes > 0 || c.MaxMsgs > 0:
		wrong = "has limits by which frames would vanish"
	case c.Metadata[metaFormat] != strconv.Itoa(frameVersion):
		wrong = fmt.Sprintf("has frame format %q, this program writes %d", c.Metadata[metaFormat], frameVersion)
	default:
		return nil
	}
	return vigil.Errorf(vigil.Unavailable, "stream %s %s; nothing can be acknowledged", c.Name, wrong)
}
