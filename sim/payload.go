package sim

import (
	"math"
	"strconv"
	"time"

	"github.com/vigil-iomt/vigil"
)

// An object writes a JSON object, keys in the order of the calls.
type object struct{ b []byte }

func (o *object) key(k string) {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	} else if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, k...)
	o.b = append(o.b, '"', ':')
}

// end closes the object and returns its bytes.
func (o *object) end() []byte {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	}
	return append(o.b, '}')
}

func (o *object) int(k string, v int64) *object {
	o.key(k)
	o.b = strconv.AppendInt(o.b, v, 10)
	return o
}

func (o *object) num(k string, v float64, decimals int) *object {
	o.key(k)
	o.b = strconv.AppendFloat(o.b, v, 'f', decimals, 64)
	return o
}

func (o *object) str(k, v string) *object {
	o.key(k)
	o.b = strconv.AppendQuote(o.b, v)
	return o
}

func (o *object) bool(k string, v bool) *object {
	o.key(k)
	o.b = strconv.AppendBool(o.b, v)
	return o
}

// raw puts in JSON that is already written.
func (o *object) raw(k string, v []byte) *object {
	o.key(k)
	o.b = append(o.b, v...)
	return o
}

// samples writes a wave as whole steps of gain.
func (o *object) samples(k string, v []float64, gain float64) *object {
	o.key(k)
	o.b = append(o.b, '[')
	for i, x := range v {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = strconv.AppendInt(o.b, int64(math.Round(x/gain)), 10)
	}
	o.b = append(o.b, ']')
	return o
}

func millis(at vigil.Instant) int64  { return int64(at) / 1000 }
func seconds(at vigil.Instant) int64 { return int64(at) / 1_000_000 }

func rfc3339(at vigil.Instant, zone *time.Location) string {
	return at.Time().In(zone).Format(time.RFC3339)
}
