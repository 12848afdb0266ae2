package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A fleet is many devices, each with its own connection.
type fleet struct {
	senders []*sender
	acked   atomic.Int64
	late    *times // how late acknowledgements were; nil does not measure
}

// A sender is one device that says the six numerics of a bedside monitor.
type sender struct {
	*conn
	Device
	fleet *fleet
	base  int64 // time of message 0, ms since 1970
	n     int   // messages made
	id    uint16
	due   [1 << 16]atomic.Int64 // when the message of a packet id was to be sent, ns
	text  []byte
}

// readingsPerMessage is how many readings vitals makes.
const readingsPerMessage = 6

// dialFleet connects the devices.
func dialFleet(ctx context.Context, s *Server, devices []Device) (*fleet, error) {
	f := &fleet{senders: make([]*sender, len(devices))}
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(64)
	base := time.Now().Add(-time.Hour).UnixMilli()
	for i, d := range devices {
		g.Go(func() error {
			c, err := dialMQTT(ctx, s.MQTT, d)
			if err != nil {
				return err
			}
			f.senders[i] = &sender{conn: c, Device: d, fleet: f, base: base}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		f.close()
		return nil, fmt.Errorf("connect %d devices: %w", len(devices), err)
	}
	return f, nil
}

// close ends all connections.
func (f *fleet) close() {
	for _, s := range f.senders {
		if s != nil {
			_ = s.Close()
		}
	}
}

// vitals appends the payload of a bedside monitor: values that wander slowly, as
// a patient's do.
func vitals(dst []byte, t int64, seed, n int) []byte {
	wander := func(base, span, every int) int64 {
		h := mix(uint64(seed*31 + n/every)) // #nosec G115 -- not negative
		return int64(base) + int64(h%uint64(span))
	}
	dst = strconv.AppendInt(append(dst, `{"t":`...), t, 10)
	dst = strconv.AppendInt(append(dst, `,"hr":`...), wander(70, 4, 2), 10)
	dst = strconv.AppendInt(append(dst, `,"pulse":`...), wander(70, 4, 2), 10)
	dst = strconv.AppendInt(append(dst, `,"spo2":`...), wander(95, 3, 7), 10)
	dst = strconv.AppendInt(append(dst, `,"resp":`...), wander(14, 3, 4), 10)
	dst = strconv.AppendInt(append(dst, `,"temp":36.`...), wander(6, 3, 60), 10)
	dst = strconv.AppendInt(append(dst, `,"etco2":`...), wander(36, 4, 4), 10)
	return append(dst, '}')
}

// put publishes the next message, due at a time in ns, without sending it yet.
func (s *sender) put(due int64) {
	s.text = vitals(s.text[:0], s.base+int64(s.n), len(s.ID)+int(s.base), s.n)
	s.n++
	s.id = max(s.id+1, 1)
	s.due[s.id].Store(due)
	s.publish(s.topic(), s.id, false, s.text)
}

// acks reads the acknowledgements that are there, at least one, and returns how
// many there were.
func (s *sender) acks() (int, error) {
	count, now := 0, int64(0)
	for more := true; more; count++ {
		var id uint16
		var err error
		if id, more, err = s.ack(); err != nil {
			return count, err
		}
		if late := s.fleet.late; late != nil {
			if now == 0 {
				now = time.Now().UnixNano()
			}
			late.add(time.Duration(now - s.due[id].Load()))
		}
	}
	s.fleet.acked.Add(int64(count))
	return count, nil
}

// saturate keeps so many messages of every device in flight until ctx is done,
// and then waits for the last acknowledgements.
func (f *fleet) saturate(ctx context.Context, inFlight int) error {
	var g errgroup.Group
	for _, s := range f.senders {
		g.Go(func() error {
			for flying := 0; ; {
				if ctx.Err() == nil {
					now := time.Now().UnixNano()
					for ; flying < inFlight; flying++ {
						s.put(now)
					}
				}
				if flying == 0 {
					return nil
				}
				if err := s.flush(); err != nil {
					return fmt.Errorf("publish: %w", err)
				}
				n, err := s.acks()
				if err != nil {
					return fmt.Errorf("read acknowledgements: %w", err)
				}
				flying -= n
			}
		})
	}
	return g.Wait()
}

// pace sends so many messages a second, spread over all devices, whatever the
// answers do, until ctx is done. Each is measured from when it was due.
func (f *fleet) pace(ctx context.Context, perSecond int) error {
	var g errgroup.Group
	for _, s := range f.senders {
		g.Go(func() error {
			for {
				if _, err := s.acks(); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					return fmt.Errorf("read acknowledgements: %w", err)
				}
			}
		})
	}
	err := f.tick(ctx, perSecond)
	if err != nil {
		f.close()
		return errors.Join(err, g.Wait())
	}
	// What is under way is answered within a moment; then the readers end.
	rest(context.WithoutCancel(ctx), time.Second)
	f.close()
	return g.Wait()
}

// tick sends what is due, again and again.
func (f *fleet) tick(ctx context.Context, perSecond int) error {
	const often = 500 * time.Microsecond
	t := time.NewTicker(often)
	defer t.Stop()
	begun := time.Now()
	gap := time.Second / time.Duration(perSecond)
	for k := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for ; ; k++ {
			due := begun.Add(time.Duration(k) * gap)
			if time.Until(due) > 0 {
				break
			}
			s := f.senders[k%len(f.senders)]
			s.put(due.UnixNano())
			if err := s.flush(); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		}
	}
}
