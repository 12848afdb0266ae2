package rest

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A sealer makes cursors that say nothing and that only this server can make.
type sealer struct{ aead cipher.AEAD }

func newSealer(key [16]byte) sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("rest: " + err.Error()) // the key has the only length there is
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("rest: " + err.Error())
	}
	return sealer{aead}
}

// close seals where a page ended, for one purpose.
func (s sealer) close(purpose string, mark []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, mark, []byte(purpose))) // #nosec G407 -- the cipher makes its own nonces
}

// maxCursor bounds a cursor.
const maxCursor = 8192

// open is the way back.
func (s sealer) open(purpose, cursor string) ([]byte, error) {
	if len(cursor) <= maxCursor {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err == nil {
			if mark, err := s.aead.Open(nil, nil, raw, []byte(purpose)); err == nil {
				return mark, nil
			}
		}
	}
	return nil, bad("this cursor was not made by this server for this search").at("_cursor")
}

// dateRange reads a date or time of any precision as the time that it stands
// for (datatypes.html#dateTime).
func dateRange(value string) (vigil.Interval, *Problem) {
	value = strings.ReplaceAll(value, " ", "+") // an unescaped plus
	if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
		step := time.Second
		if strings.ContainsRune(value, '.') {
			step = time.Millisecond
		}
		return vigil.Interval{From: vigil.InstantOf(t), To: vigil.InstantOf(t.Add(step))}, nil
	}
	for _, form := range [...]struct {
		layout              string
		years, months, days int
		rest                time.Duration
	}{
		{"2006-01-02T15:04Z07:00", 0, 0, 0, time.Minute}, {"2006-01-02T15:04", 0, 0, 0, time.Minute},
		{"2006-01-02T15:04:05", 0, 0, 0, time.Second},
		{"2006-01-02", 0, 0, 1, 0}, {"2006-01", 0, 1, 0, 0}, {"2006", 1, 0, 0, 0},
	} {
		if t, err := time.Parse(form.layout, value); err == nil {
			return vigil.Interval{From: vigil.InstantOf(t), To: vigil.InstantOf(t.AddDate(form.years, form.months, form.days).Add(form.rest))}, nil
		}
	}
	return vigil.Interval{}, bad("%s is no date or time", clip(value))
}

// A bundle gathers the entries of an answer.
type bundle struct {
	kind    string // searchset or history
	links   []byte
	body    []byte
	entries int
	total   int    // -1 when nobody counted
	base    []byte // how every fullUrl begins
}

func newBundle(kind string) *bundle { return &bundle{kind: kind, total: -1} }

// link adds an address that asks the same again, from a cursor on if there is
// one.
func (b *bundle) link(relation, address string, query url.Values, cursor string) {
	encoded := query.Encode()
	b.linkTo(relation, address, encoded, cursor)
}

// linkTo is link for parameters that are encoded already.
func (b *bundle) linkTo(relation, address, query, cursor string) {
	if cursor != "" {
		if query != "" {
			query += "&"
		}
		query += "_cursor=" + cursor
	}
	if query != "" {
		address += "?" + query
	}
	if len(b.links) > 0 {
		b.links = append(b.links, ',')
	}
	b.links = append(append(append(b.links, `{"relation":"`...), relation...), `","url":`...)
	b.links = append(appendString(b.links, address), '}')
}

// open begins an entry.
func (b *bundle) open() {
	if b.entries > 0 {
		b.body = append(b.body, ',')
	}
	b.entries++
	b.body = append(b.body, '{')
}

// full appends the fullUrl of an entry.
func (b *bundle) full(base, typ, id string) {
	if b.base == nil { // the same for all entries
		quoted := appendString(append(b.base, `"fullUrl":`...), base)
		b.base = append(quoted[:len(quoted)-1], '/')
	}
	b.body = append(append(append(b.body, b.base...), typ...), '/')
	if validID(id) {
		b.body = append(append(b.body, id...), '"')
		return
	}
	start := len(b.body)
	b.body = appendString(b.body, id)
	b.body = append(b.body[:start], b.body[start+1:]...) // within the quotes of the address
}

// hit adds an entry of a search.
func (b *bundle) hit(base, typ, id string, body []byte, mode string) {
	b.open()
	b.full(base, typ, id)
	b.body = append(append(b.body, `,"resource":`...), body...)
	b.body = append(append(append(b.body, `,"search":{"mode":"`...), mode...), `"}}`...)
}

// outcome adds an entry that says what was not understood.
func (b *bundle) outcome(issues []Issue) {
	b.open()
	b.body = AppendOutcome(append(b.body, `"resource":`...), issues...)
	b.body = append(b.body, `,"search":{"mode":"outcome"}}`...)
}

// version adds an entry of a history (http.html#history).
func (b *bundle) version(base string, r vigil.Resource, body []byte) {
	b.open()
	b.full(base, r.Type, r.ID)
	if len(body) > 0 {
		b.body = append(append(b.body, `,"resource":`...), body...)
	}
	method, address, status := r.Method, r.Type+"/"+r.ID, "200 OK"
	switch {
	case r.Deleted:
		method, status = "DELETE", "204 No Content"
	case method == "" || method == "POST" && r.Version > 1:
		method = "PUT"
	case method == "POST":
		address, status = r.Type, "201 Created"
	case r.Version == 1:
		status = "201 Created"
	}
	b.body = append(append(append(b.body, `,"request":{"method":"`...), method...), `","url":"`...)
	b.body = append(append(b.body, address...), `"},"response":{"status":"`...)
	b.body = append(append(b.body, status...), `","etag":`...)
	b.body = append(appendString(b.body, versionTag(r.Version)), `,"lastModified":"`...)
	b.body = append(appendTime(b.body, r.Changed), `"}}`...)
}

// bytes is the Bundle.
func (b *bundle) bytes(now vigil.Instant) []byte {
	head, tail := b.frame(now)
	return slices.Concat(head, b.body, tail)
}

// frame is what stands around the entries.
func (b *bundle) frame(now vigil.Instant) (head, tail []byte) {
	dst := make([]byte, 0, len(b.links)+256)
	dst = append(dst, `{"resourceType":"Bundle","id":"`...)
	dst = append(append(dst, bundleID(now)...), `","meta":{"lastUpdated":"`...)
	dst = append(appendTime(dst, now), `"},"type":"`...)
	dst = append(append(dst, b.kind...), '"')
	if b.total >= 0 {
		dst = strconv.AppendInt(append(dst, `,"total":`...), int64(b.total), 10)
	}
	if len(b.links) > 0 {
		dst = append(append(append(dst, `,"link":[`...), b.links...), ']')
	}
	if len(b.body) == 0 {
		return dst, []byte("}")
	}
	return append(dst, `,"entry":[`...), []byte("]}")
}

// bundleID names an answer; nobody can ask for it again.
func bundleID(now vigil.Instant) string { return vigil.NewID(now.Time()) }

// buffers are memory for the entries of answers, used again and again: those of
// a thousand resources take a megabyte.
type buffers struct{ pool sync.Pool }

// maxBuffer bounds what is kept of one.
const maxBuffer = 8 << 20

func (p *buffers) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (p *buffers) put(b []byte) {
	if cap(b) > 0 && cap(b) <= maxBuffer {
		p.pool.Put(&b)
	}
}
