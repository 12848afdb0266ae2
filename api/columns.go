package api

import (
	"context"
	"io"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// Columns are the readings of one series as parallel lists, for charts: a day
// at 1 Hz is a tenth of what it is as objects, and quick to parse.
type Columns struct {
	Series   vigil.SeriesID `json:"series"`
	Subject  vigil.Subject  `json:"subject"`
	Device   vigil.DeviceID `json:"device"`
	Channel  string         `json:"channel,omitempty"`
	Metric   string         `json:"metric"`
	Unit     string         `json:"unit" doc:"UCUM."`
	Decimals int8           `json:"decimals" doc:"Digits after the point to show; -1 when each value has its own: those that are written."`
	Start    vigil.Instant  `json:"start" doc:"When the first reading was taken."`
	Tick     int64          `json:"tick" doc:"Microseconds that the times count in."`
	Times    []int64        `json:"times" doc:"Of each reading, how many ticks after the reading before it; 0 for the first."`
	Values   []*float64     `json:"values" doc:"null where quality holds a state such as sensor-off."`
	Quality  []QualityRun   `json:"quality" doc:"Every stretch of readings whose quality has words; all others are good."`
}

// A QualityRun is a stretch of readings of one quality.
type QualityRun struct {
	From  int           `json:"from" doc:"Index of the first."`
	Count int           `json:"count"`
	Words vigil.Quality `json:"words"`
}

// maxColumns is how many readings one answer of columns may have, and has unless
// told otherwise: more than a day at 1 Hz.
const maxColumns = 100_000

// A columnist writes columns. It is used again, for its room.
type columnist struct {
	out   []byte
	clock clock

	times  []vigil.Instant // from one to the next
	values []byte
	runs   []byte
	tick   vigil.Instant // greatest common divisor of times
	first  vigil.Instant
	last   vigil.Point
	since  int // where the present run of quality began
}

// columnPage writes series after series, each in the order of time.
func (s *server) columnPage(ctx context.Context, in *readingQuery, list []vigil.Series, at *place) (pageBody, error) {
	c, ok := s.columnists.Get().(*columnist)
	if !ok {
		c = &columnist{}
	}
	c.out = append(c.out[:0], `{"columns":[`...)
	left, next := in.Limit, ""
	during := vigil.Interval{From: instant(in.From), To: instant(in.To)}
	var end place
	for i := range list {
		q := vigil.PointQuery{Series: list[i].ID, During: during, Desc: in.Desc, Limit: left + 1}
		if at != nil && q.Series < at.series {
			continue
		}
		if at != nil && q.Series == at.series {
			q.After = &at.point
		}
		n, more, err := c.series(ctx, s.c.Readings, &list[i], q, left)
		if err != nil {
			return pageBody{}, err
		}
		if n > 0 {
			end = place{list[i].ID, c.last}
		}
		if left -= n; more {
			next = end.text(columnPlace)
			break
		}
	}
	c.out = append(c.out, ']')
	if next != "" {
		c.out = appendText(append(c.out, `,"next":`...), next)
	}
	c.out = append(c.out, "}\n"...)
	return pageBody{func(w io.Writer) error {
		defer s.columnists.Put(c)
		_, err := w.Write(c.out)
		return err //nolint:wrapcheck // the client's end of patience, for huma
	}}, nil
}

// series writes the columns of one series, of at most so many readings, unless
// there are none, and tells whether there are more.
func (c *columnist) series(ctx context.Context, r Points, v *vigil.Series, q vigil.PointQuery, most int) (n int, more bool, err error) {
	c.times, c.values, c.runs = c.times[:0], c.values[:0], c.runs[:0]
	c.tick, c.since = 0, 0
	err = r.EachPoint(ctx, q, func(pts []vigil.Point) bool {
		room := most - len(c.times)
		if more = len(pts) > room; more {
			pts = pts[:room]
		}
		for i := range pts {
			c.add(v.Metric, &pts[i])
		}
		return !more
	})
	if err != nil || len(c.times) == 0 {
		return 0, more, err
	}
	c.endRun()
	if c.out[len(c.out)-1] == '}' {
		c.out = append(c.out, ',')
	}
	c.describe(v)
	c.lists()
	return len(c.times), more, nil
}

// add adds a reading.
func (c *columnist) add(m *vigil.Metric, p *vigil.Point) {
	var step vigil.Instant
	if len(c.times) == 0 {
		c.first = p.Taken
	} else {
		if step = p.Taken - c.last.Taken; c.tick != 1 {
			c.tick = divisor(step, c.tick)
		}
		if p.Quality != c.last.Quality {
			c.endRun()
		}
		c.values = append(c.values, ',')
	}
	c.times = append(c.times, step)
	c.values = appendValue(c.values, p, p.Digits(m))
	c.last = *p
}

// divisor is the greatest that two stretches of time have in common.
func divisor(a, b vigil.Instant) vigil.Instant {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}

// appendValue appends a value with the digits that the device meant, or all
// that it takes to say it exactly.
func appendValue(b []byte, p *vigil.Point, digits int8) []byte {
	if p.Quality.State() != vigil.NoState {
		return append(b, "null"...)
	}
	if out, ok := vigil.AppendExact(b, p.Value, digits); ok {
		return out
	}
	return appendNumber(b, p.Value)
}

// endRun closes the present run of quality and begins the next.
func (c *columnist) endRun() {
	if n := len(c.times); c.last.Quality != 0 {
		if len(c.runs) > 0 {
			c.runs = append(c.runs, ',')
		}
		c.runs = strconv.AppendInt(append(c.runs, `{"from":`...), int64(c.since), 10)
		c.runs = strconv.AppendInt(append(c.runs, `,"count":`...), int64(n-c.since), 10)
		c.runs = append(appendQuality(append(c.runs, `,"words":`...), c.last.Quality), '}')
	}
	c.since = len(c.times)
}

// describe writes whose columns they are.
func (c *columnist) describe(v *vigil.Series) {
	b := strconv.AppendInt(append(c.out, `{"series":`...), int64(v.ID), 10)
	b = appendText(append(b, `,"subject":`...), v.Subject.String())
	b = appendText(append(b, `,"device":`...), string(v.Device))
	if v.Channel != "" {
		b = appendText(append(b, `,"channel":`...), v.Channel)
	}
	b = appendText(append(b, `,"metric":`...), v.Metric.Name)
	b = appendText(append(b, `,"unit":`...), v.Metric.Unit)
	c.out = strconv.AppendInt(append(b, `,"decimals":`...), int64(max(v.Metric.Decimals, -1)), 10)
}

// lists writes the lists.
func (c *columnist) lists() {
	tick := max(c.tick, 1)
	b := c.clock.append(append(c.out, `,"start":"`...), c.first)
	b = strconv.AppendInt(append(b, `","tick":`...), int64(tick), 10)
	b = append(b, `,"times":[`...)
	for i, step := range c.times {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSmall(b, int64(step/tick))
	}
	b = append(append(b, `],"values":[`...), c.values...)
	b = append(append(b, `],"quality":[`...), c.runs...)
	c.out = append(b, "]}"...)
}

// appendSmall appends a number, which mostly has at most four digits.
func appendSmall(b []byte, n int64) []byte {
	if n < 1000 || n > 9999 {
		return strconv.AppendInt(b, n, 10)
	}
	v := uint32(n) // #nosec G115 -- four digits
	return append(b, '0'+byte(v/1000), '0'+byte(v/100%10), '0'+byte(v/10%10), '0'+byte(v%10))
}

// columnsOf checks what cannot be asked of columns.
func columnsOf(in *readingQuery) error {
	switch {
	case in.Bucket != "":
		return invalid("query.bucket", "buckets have one form; leave form out")
	case in.History:
		return invalid("query.history", "columns have no versions; leave form out")
	case in.Limit > maxColumns:
		return invalid("query.limit", "columns have at most "+strconv.Itoa(maxColumns)+" readings")
	case in.Limit == 0:
		in.Limit = maxColumns
	}
	return nil
}
