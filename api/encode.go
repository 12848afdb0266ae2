package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vigil-iomt/vigil"
)

// A written body writes its own JSON. Lists of readings do, because reflection
// would take most of the time of reading them back.
type written interface{ writeJSON(w io.Writer) error }

// formats are huma's, but for bodies that write themselves.
func formats() map[string]huma.Format {
	f := huma.DefaultJSONFormat
	f.Marshal = func(w io.Writer, v any) error {
		if own, ok := v.(written); ok {
			return own.writeJSON(w)
		}
		return huma.DefaultJSONFormat.Marshal(w, v)
	}
	return map[string]huma.Format{"application/json": f, "json": f}
}

// burst is how many bytes are gathered before they are sent: enough to make
// system calls rare, few enough that the client reads while the rest is written.
const burst = 64 << 10

// A scribe gathers text and sends it on in bursts.
type scribe struct {
	w     io.Writer
	b     []byte
	err   error
	clock clock
	rooms [][]byte // of pieces that were sent
}

// room returns space for a piece.
func (s *scribe) room() (b []byte) {
	if n := len(s.rooms); n > 0 {
		b, s.rooms = s.rooms[n-1], s.rooms[:n-1]
	}
	return b[:0]
}

// scribes keeps the room of scribes that have finished.
type scribes struct{ pool sync.Pool }

// write lets f write to w through a scribe.
func (s *scribes) write(w io.Writer, f func(*scribe)) error {
	sc, ok := s.pool.Get().(*scribe)
	if !ok {
		sc = &scribe{b: make([]byte, 0, burst+burst/8)}
	}
	sc.w, sc.err = w, nil
	f(sc)
	sc.send(0)
	err := sc.err
	sc.w = nil
	s.pool.Put(sc)
	return err
}

// send sends what there is when it is at least so many bytes, and tells whether
// it is worth going on.
func (s *scribe) send(least int) bool {
	if len(s.b) < least {
		return s.err == nil
	}
	if s.err == nil && len(s.b) > 0 {
		if _, err := s.w.Write(s.b); err != nil {
			s.err = fmt.Errorf("send answer: %w", err)
		}
	}
	s.b = s.b[:0]
	return s.err == nil
}

// piece is how many items of a long list are written in one go.
const piece = 512

// inPieces has the text of a long list made by as many goroutines as there are
// processors, and takes the pieces in their order while the next ones are made.
func (s *scribe) inPieces(n int, appendPiece func(b []byte, from, to int) []byte, take func(text []byte)) {
	workers := min(runtime.GOMAXPROCS(0), (n+piece-1)/piece)
	if workers < 2 {
		text := s.room()
		for from := 0; from < n && s.send(burst); from += piece {
			text = appendPiece(text[:0], from, min(from+piece, n))
			take(text)
		}
		s.rooms = append(s.rooms, text)
		return
	}
	made, spent := make([]chan []byte, workers), make([]chan []byte, workers)
	var busy sync.WaitGroup
	for k := range workers {
		// Two pieces of room each: one is made while the other is sent.
		made[k], spent[k] = make(chan []byte, 2), make(chan []byte, 2)
		spent[k] <- s.room()
		spent[k] <- s.room()
		busy.Go(func() {
			for from := k * piece; from < n; from += workers * piece {
				room, ok := <-spent[k]
				if !ok {
					return
				}
				made[k] <- appendPiece(room[:0], from, min(from+piece, n))
			}
		})
	}
	for k, from := 0, 0; from < n && s.send(burst); k, from = (k+1)%workers, from+piece {
		text := <-made[k]
		take(text)
		spent[k] <- text
	}
	for k := range workers {
		close(spent[k])
	}
	busy.Wait()
	for k := range workers {
		for room := range spent[k] {
			s.rooms = append(s.rooms, room)
		}
	}
}

// A clock writes instants. Those of one minute share the most of their text.
type clock struct {
	minute vigil.Instant
	text   []byte
}

// append appends an instant as vigil.Instant.String writes it.
func (c *clock) append(b []byte, at vigil.Instant) []byte {
	if at == 0 {
		return b
	}
	const second, length = 1_000_000, 60 * 1_000_000
	within := at % length
	if within < 0 {
		within += length
	}
	if minute := at - within; len(c.text) == 0 || minute != c.minute {
		c.minute, c.text = minute, minute.Time().AppendFormat(c.text[:0], "2006-01-02T15:04:")
	}
	b = append(b, c.text...)
	s, fraction := byte(within/second), within%second // #nosec G115 -- below 60
	b = append(b, '0'+s/10, '0'+s%10)
	if fraction > 0 {
		b = append(b, '.')
		for unit := vigil.Instant(second / 10); fraction > 0; unit /= 10 {
			b = append(b, '0'+byte(fraction/unit)) // #nosec G115 -- a digit
			fraction %= unit
		}
	}
	return append(b, 'Z')
}

// appendText appends a string as encoding/json does without escapes for HTML.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			var t bytes.Buffer
			enc := json.NewEncoder(&t)
			enc.SetEscapeHTML(false)
			if enc.Encode(s) != nil {
				return append(b, `""`...) // a string can always be encoded
			}
			return append(b, bytes.TrimSuffix(t.Bytes(), []byte{'\n'})...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendNumber appends a number as encoding/json does; what is no number is
// null.
func appendNumber(b []byte, v float64) []byte {
	size := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(b, "null"...)
	case v == 0 && math.Signbit(v):
		return append(b, "-0"...)
	case size != 0 && (size < 1e-6 || size >= 1e21):
		t, err := json.Marshal(v)
		if err != nil {
			return append(b, "null"...)
		}
		return append(b, t...)
	}
	return vigil.AppendDecimal(b, v, -1)
}

// appendQuality appends the words of a quality.
func appendQuality(b []byte, q vigil.Quality) []byte {
	b = append(b, '[')
	if q != 0 {
		for i, w := range q.Words() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, w)
		}
	}
	return append(b, ']')
}

// A label is what the readings of one series have in common, as JSON.
type label struct{ unit, tail []byte }

// labelOf makes the label of a series.
func labelOf(v *vigil.Series) label {
	t := strconv.AppendInt([]byte(`,"series":`), int64(v.ID), 10)
	t = appendText(append(t, `,"metric":`...), v.Metric.Name)
	t = appendText(append(t, `,"device":`...), string(v.Device))
	t = appendText(append(t, `,"subject":`...), v.Subject.String())
	return label{appendText(nil, v.Metric.Unit), append(t, '}')}
}

// reading appends a point as a Reading.
func (s *scribe) reading(v *vigil.Series, l *label, p *vigil.Point, id string) {
	b := appendText(append(s.b, `{"id":`...), id)
	b = s.clock.append(append(b, `,"time":"`...), p.Taken)
	b = s.clock.append(append(b, `","arrived":"`...), p.Arrived)
	b = append(b, `","value":`...)
	if p.Quality.State() == vigil.NoState {
		b = appendNumber(b, p.Value)
	} else {
		b = append(b, "null"...)
	}
	b = p.AppendText(append(b, `,"text":"`...), v.Metric)
	b = append(append(b, `","unit":`...), l.unit...)
	b = appendQuality(append(b, `,"quality":`...), p.Quality)
	b = strconv.AppendUint(append(b, `,"version":`...), uint64(p.Version), 10)
	s.b = append(b, l.tail...)
}
