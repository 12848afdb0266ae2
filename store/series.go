package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
)

// A series is one series in memory. Its fields are guarded by the lock of its
// shard, but for those that never change.
type series struct {
	id      vigil.SeriesID
	subject vigil.Subject
	device  vigil.DeviceID
	channel string
	wave    bool
	metric  atomic.Pointer[vigil.Metric] // the newest that is the same measure
	home    atomic.Pointer[shard]
	memory
}

// A memory is what is known of a series beside its names.
type memory struct {
	open, late head          // newest points; points older than the newest sealed one
	pending    []block       // sealed, not yet in the database
	refs       *window       // what is known of the keys in the database
	latest     vigil.Point   // newest standing point, when hasLatest
	kmax       uint64        // highest key of a point that has one of its own
	kspan      uint64        // the most keys that a chunk in the database spans
	tspan      vigil.Instant // the longest time that a chunk in the database spans
	tmax       vigil.Instant // newest time of any point
	sealed     vigil.Instant // newest time in a chunk that was sealed from open
	chunks     int64         // how many chunks were ever sealed; the next one's number
	touched    uint32        // epoch of the last change
	lateAt     uint32        // epoch of the last change of late
	changes    uint32        // counts changes of latest
	hasLatest  bool
	stale      bool // latest was withdrawn, and the one before is not known
	loaded     bool // open and late are here, not in the database
	stored     bool // the database has a row of heads
	known      bool // the database has a row of series that is up to date
	dirty      bool // listed in the shard for the next checkpoint
	crowded    bool // has chunks that overlap; to be compacted
}

// view returns the series as others see it.
func (s *series) view() vigil.Series {
	return vigil.Series{ID: s.id, Subject: s.subject, Device: s.device, Channel: s.channel, Metric: s.metric.Load()}
}

// A dictionary knows every series by its id.
type dictionary struct {
	mu   sync.RWMutex
	byID map[vigil.SeriesID]*series
	// sorted is every series by id; nil after one was added. Long lists are
	// asked for again and again while series hardly ever come.
	sorted []numbered
}

// A numbered is a series beside its id: looking each id up while sorting is most
// of what a long list takes.
type numbered struct {
	id vigil.SeriesID
	s  *series
}

// add puts a series into the dictionary.
func (d *dictionary) add(s *series) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[s.id], d.sorted = s, nil
}

// inOrder returns every series by id. The list is not to be changed.
func (d *dictionary) inOrder() []numbered {
	d.mu.RLock()
	list := d.sorted
	d.mu.RUnlock()
	if list != nil {
		return list
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	list = make([]numbered, 0, len(d.byID))
	for id, s := range d.byID {
		list = append(list, numbered{id, s})
	}
	slices.SortFunc(list, func(a, b numbered) int { return cmp.Compare(a.id, b.id) })
	d.sorted = list
	return list
}

// few tells whether ids are rather looked up than met on the way through all.
func (d *dictionary) few(ids []vigil.SeriesID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(ids) < 256 || len(ids) < len(d.byID)/16 || !slices.IsSorted(ids)
}

// each calls f with the series that each of the ids names and its place in the
// list; ids that nobody has are left out.
func (d *dictionary) each(ids []vigil.SeriesID, f func(at int, s *series)) {
	if d.few(ids) {
		d.mu.RLock()
		defer d.mu.RUnlock()
		for i, id := range ids {
			if s := d.byID[id]; s != nil {
				f(i, s)
			}
		}
		return
	}
	rest := d.inOrder()
	for i, id := range ids {
		for len(rest) > 0 && rest[0].id < id {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].id == id {
			f(i, rest[0].s)
		}
	}
}

func (d *dictionary) get(id vigil.SeriesID) *series {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byID[id]
}

func (d *dictionary) len() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.byID)
}

// all returns every series that f accepts.
func (d *dictionary) all(f func(*series) bool) []*series {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []*series
	for _, s := range d.byID {
		if f(s) {
			out = append(out, s)
		}
	}
	return out
}

// maxSeriesID keeps ids within what every JSON reader can count exactly.
const maxSeriesID = 1<<53 - 1

// seriesID makes the id of a series from what makes it that series: subject,
// device, channel, and of the metric its name, unit, codes and rate. So a
// series that is made again after a crash has the id it had. try tells apart
// ids that happen to be equal.
func seriesID(s vigil.Subject, d vigil.DeviceID, channel string, m *vigil.Metric, try int) vigil.SeriesID {
	var b []byte
	add := func(t string) { b = append(binary.AppendUvarint(b, uint64(len(t))), t...) }
	add(s.String())
	add(string(d))
	add(channel)
	add(m.Name)
	add(m.Unit)
	for _, c := range m.Codes {
		add(c.System)
		add(c.Value)
	}
	add(strconv.FormatInt(m.RateNum, 10))
	add(strconv.FormatInt(m.RateDen, 10))
	if try > 0 {
		add(strconv.Itoa(try))
	}
	h := sha256.Sum256(b)
	return vigil.SeriesID(binary.BigEndian.Uint64(h[:])&maxSeriesID | 1) // #nosec G115 -- masked
}

// sameMeasure tells whether two metrics belong to the same series.
func sameMeasure(a, b *vigil.Metric) bool {
	if a == b {
		return true
	}
	return a.Name == b.Name && a.Unit == b.Unit && a.RateNum == b.RateNum && a.RateDen == b.RateDen &&
		slices.EqualFunc(a.Codes, b.Codes, func(x, y vigil.Code) bool { return x.System == y.System && x.Value == y.Value })
}

// is tells whether the series is that of these.
func (s *series) is(subject vigil.Subject, d vigil.DeviceID, channel string, m *vigil.Metric) bool {
	return s.subject == subject && s.device == d && s.channel == channel && sameMeasure(s.metric.Load(), m)
}

// find returns the series of these, or nil and the id that it will have.
func (d *dictionary) find(subject vigil.Subject, dev vigil.DeviceID, channel string, m *vigil.Metric) (*series, vigil.SeriesID) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for try := 0; ; try++ {
		id := seriesID(subject, dev, channel, m, try)
		s := d.byID[id]
		if s == nil || s.is(subject, dev, channel, m) {
			return s, id
		}
	}
}

// SeriesFor returns the id of the series that readings of a metric go to, and
// false while it has none.
func (db *DB) SeriesFor(subject vigil.Subject, d vigil.DeviceID, channel string, m *vigil.Metric) (vigil.SeriesID, bool) {
	s, id := db.dict.find(subject, d, channel, m)
	return id, s != nil
}

// Series returns the series that a query selects, by id.
func (db *DB) Series(_ context.Context, q vigil.SeriesQuery) ([]vigil.Series, error) {
	match := func(s *series) bool {
		return s.wave == q.Waves &&
			(len(q.Subjects) == 0 || slices.Contains(q.Subjects, s.subject)) &&
			(len(q.Devices) == 0 || slices.Contains(q.Devices, s.device)) &&
			matchMetric(s.metric.Load(), &q)
	}
	if len(q.IDs) == 0 {
		all := db.dict.inOrder()
		var out []vigil.Series
		if len(q.Subjects)+len(q.Devices)+len(q.Metrics)+len(q.Codes) == 0 {
			out = make([]vigil.Series, 0, len(all))
		}
		for i := range all {
			if s := all[i].s; match(s) {
				out = append(out, s.view())
			}
		}
		return out, nil
	}
	ids := slices.Clone(q.IDs)
	slices.Sort(ids)
	var out []vigil.Series
	db.dict.each(slices.Compact(ids), func(_ int, s *series) {
		if match(s) {
			out = append(out, s.view())
		}
	})
	return out, nil
}

// matchMetric tells whether a metric has one of the names, and one of the
// codes, that a query asks for.
func matchMetric(m *vigil.Metric, q *vigil.SeriesQuery) bool {
	if len(q.Metrics) > 0 && !slices.Contains(q.Metrics, m.Name) {
		return false
	}
	if len(q.Codes) == 0 {
		return true
	}
	is := func(c vigil.Code) bool {
		return slices.ContainsFunc(q.Codes, func(want vigil.Code) bool {
			return c.Value == want.Value && (want.System == "" || c.System == want.System)
		})
	}
	return slices.ContainsFunc(m.Codes, is) || m.Panel != nil && slices.ContainsFunc(m.Panel.Codes, is)
}

// create puts a new series into the dictionary.
func (db *DB) create(home *shard, id vigil.SeriesID, subject vigil.Subject, d vigil.DeviceID, channel string, m *vigil.Metric) *series {
	s := &series{id: id, subject: subject, device: d, channel: channel, wave: m.IsWave()}
	s.metric.Store(m)
	s.home.Store(home)
	db.dict.add(s)
	return s
}

// describe makes m the metric of the series when it says something new about
// the same measure. The caller holds the shard's lock.
func (s *series) describe(m *vigil.Metric) {
	if old := s.metric.Load(); old != m && !reflect.DeepEqual(old, m) {
		s.metric.Store(m)
		s.known = false
	}
}

// loadSeries reads the dictionary.
func (db *DB) loadSeries(ctx context.Context) error {
	db.dict.byID = map[vigil.SeriesID]*series{}
	metrics := map[string]*vigil.Metric{}
	strings := map[string]string{}
	intern := func(t string) string {
		if old, ok := strings[t]; ok {
			return old
		}
		strings[t] = t
		return t
	}
	return db.d.each(ctx, func(rows scanner) error {
		var id vigil.SeriesID
		var part int
		var subject, device, channel, text string
		if err := rows.Scan(&id, &part, &subject, &device, &channel, &text); err != nil {
			return fault("read series", err)
		}
		sub, err := vigil.ParseSubject(intern(subject))
		if err != nil || part >= len(db.shards) {
			return damaged("series", fmt.Errorf("series %d of partition %d: %w", id, part, err))
		}
		m, ok := metrics[text]
		if !ok {
			m = new(vigil.Metric)
			if err := json.Unmarshal([]byte(text), m); err != nil {
				return damaged("metric of a series", err)
			}
			metrics[text] = m
		}
		s := db.create(db.shards[part], id, sub, vigil.DeviceID(intern(device)), intern(channel), m)
		s.known = true
		return nil
	}, `SELECT id, part, subject, device, channel, metric FROM series`)
}
