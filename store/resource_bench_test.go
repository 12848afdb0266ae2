package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// A clinic makes Observations as they are usual: of 1,000 patients, 20 codes,
// with ten tokens, two spans and a timeline.
type clinic struct {
	rng *rand.ChaCha8
	r   *rand.Rand
	at  time.Time
}

func newClinic(seed uint64) *clinic {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	c := &clinic{rng: rand.NewChaCha8(key), at: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	c.r = rand.New(c.rng)
	return c
}

// patientID returns the id of a patient.
func patientID(n int) string {
	h := fmt.Sprintf("%016x%016x", xxhash.Sum64String(fmt.Sprint("p", n)), xxhash.Sum64String(fmt.Sprint("q", n)))
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// token makes a token.
func token(parts ...any) uint64 { return xxhash.Sum64String(fmt.Sprint(parts...)) }

// observation makes one Observation.
func (c *clinic) observation() vigil.Resource {
	c.at = c.at.Add(137 * time.Millisecond)
	patient, code := patientID(c.r.IntN(1000)), c.r.IntN(20)
	encounter := patientID(1000 + c.r.IntN(5000))
	value := float64(600+c.r.IntN(900)) / 10
	id := vigil.NewID(c.at)
	taken := c.at.Truncate(time.Second)
	body := fmt.Sprintf(`{"resourceType":"Observation","id":"%s","meta":{"versionId":"1","lastUpdated":"%s","profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-%d","display":"Heart rate of kind %d"},{"system":"urn:iso:std:iso:11073:10101","code":"14984%d","display":"MDC_PULS_RATE_%d"}],"text":"Heart rate of kind %d"},"subject":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/%s"},"effectiveDateTime":"%s","issued":"%s","valueQuantity":{"value":%g,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`,
		id, c.at.Format("2006-01-02T15:04:05.000Z"), code, code, code, code, code, patient, encounter,
		taken.Format(time.RFC3339), c.at.Format("2006-01-02T15:04:05.000Z07:00"), value)
	at := vigil.InstantOf(taken)
	return vigil.Resource{
		Type: "Observation", ID: id, Version: 1, Method: "POST", Owner: "patient/" + patient, Actor: vigil.LocalAdmin(), Body: []byte(body),
		Changed: vigil.InstantOf(c.at),
		Keys: vigil.ResourceKeys{
			Tokens: []uint64{
				token("status final"), token("category vital-signs"), token("code loinc", code), token("code mdc", code),
				token("code text", code), token("patient ", patient), token("encounter ", encounter),
				token("value unit"), token("profile"), token("has value"),
			},
			Spans: []vigil.ResourceSpan{
				{Param: token("date"), Lo: int64(at), Hi: int64(at) + 999_999}, {Param: token("value"), Lo: int64(value * 10), Hi: int64(value * 10)},
			},
			Lines: []vigil.ResourceLine{{Line: token("line ", patient, code), At: at}},
		},
	}
}

// fill writes n Observations, as many in one group as there are writers.
func fill(tb testing.TB, db *store.DB, c *clinic, n, writers int) {
	tb.Helper()
	var all sync.WaitGroup
	list := make(chan vigil.Resource, 1024)
	for range writers {
		all.Go(func() {
			for r := range list {
				err := db.WriteResources(context.Background(), func(ctx context.Context, tx *store.ResourceTx) error {
					_, err := tx.Put(ctx, r)
					return err
				})
				if err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for range n {
		list <- c.observation()
	}
	close(list)
	all.Wait()
}

func openRecord(tb testing.TB) (*store.DB, string) {
	tb.Helper()
	c := storetest.Config()
	if c.Path = os.Getenv("VIGIL_BENCH_PATH"); c.Path == "" {
		c.Path = tb.TempDir()
	}
	db, err := store.Open(context.Background(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return db, c.Path
}

// size returns how many bytes the files of a folder have.
func size(tb testing.TB, dir string) int64 {
	tb.Helper()
	info, err := os.Stat(filepath.Join(dir, "record.db"))
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

// BenchmarkResourceCreate writes Observations from 64 clients, one for each
// transaction, and says how many bytes each takes on disk.
func BenchmarkResourceCreate(b *testing.B) {
	db, dir := openRecord(b)
	c := newClinic(1)
	fill(b, db, c, 1000, 64)
	b.ResetTimer()
	fill(b, db, c, b.N, 64)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
	b.ReportMetric(float64(size(b, dir))/float64(b.N+1000), "B/resource")
}

// imports writes n Observations, 1,000 in each write.
func imports(tb testing.TB, db *store.DB, c *clinic, n int) {
	tb.Helper()
	for done := 0; done < n; done += 1000 {
		err := db.WriteResources(context.Background(), func(ctx context.Context, tx *store.ResourceTx) error {
			for range min(1000, n-done) {
				if _, err := tx.Put(ctx, c.observation()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkResourceImport writes Observations, 1,000 in each transaction.
func BenchmarkResourceImport(b *testing.B) {
	db, dir := openRecord(b)
	imports(b, db, newClinic(1), b.N)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
	b.ReportMetric(float64(size(b, dir))/float64(b.N), "B/resource")
}

// found is how many resources BenchmarkResourceFind looks among;
// VIGIL_BENCH_RESOURCES says another number.
const found = 50_000

// BenchmarkResourceFind reads by id, finds the newest 50 of a patient and a code,
// and counts.
func BenchmarkResourceFind(b *testing.B) {
	n := found
	if s := os.Getenv("VIGIL_BENCH_RESOURCES"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	db, _ := openRecord(b)
	imports(b, db, newClinic(1), n)
	hits, err := db.SelectResources(ctx, vigil.ResourceQuery{Limit: 1000, Types: []string{"Observation"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		for i := range b.N {
			if _, err := db.Resource(ctx, "Observation", hits[i%len(hits)].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	find := func(name string, query func(i int) vigil.ResourceQuery) {
		b.Run(name, func(b *testing.B) {
			n := 0
			for i := range b.N {
				hits, err := db.SelectResources(ctx, query(i))
				if err != nil {
					b.Fatal(err)
				}
				n += len(hits)
			}
			b.ReportMetric(float64(n)/float64(b.N), "hits")
		})
	}
	find("patient+code newest 50", func(i int) vigil.ResourceQuery {
		line := []uint64{token("line ", patientID(i%1000), i%20)}
		return vigil.ResourceQuery{
			Types: []string{"Observation"}, Limit: 50, Bodies: true, All: []vigil.ResourceTest{{Line: &vigil.ResourceSlice{Lines: line}}},
			Order: vigil.ResourceOrder{By: vigil.ByLine, Lines: line, Desc: true},
		}
	})
	find("patient, code 50", func(i int) vigil.ResourceQuery {
		return vigil.ResourceQuery{
			Types: []string{"Observation"}, Limit: 50, Bodies: true,
			All: []vigil.ResourceTest{{Tokens: []uint64{token("patient ", patientID(i%1000))}}, {Tokens: []uint64{token("code loinc", i%20)}}},
		}
	})
	find("code newest 50", func(i int) vigil.ResourceQuery {
		return vigil.ResourceQuery{
			Types: []string{"Observation"}, Limit: 50, Bodies: true, All: []vigil.ResourceTest{{Tokens: []uint64{token("code loinc", i%20)}}},
			Order: vigil.ResourceOrder{By: vigil.BySpan, Param: token("date"), Desc: true},
		}
	})
	find("one encounter", func(i int) vigil.ResourceQuery {
		return vigil.ResourceQuery{
			Types: []string{"Observation"}, Limit: 50, Bodies: true, All: []vigil.ResourceTest{{Tokens: []uint64{token("encounter ", patientID(1000+i%5000))}}},
		}
	})
	for name, q := range map[string]vigil.ResourceQuery{
		"count all":  {Types: []string{"Observation"}},
		"count code": {Types: []string{"Observation"}, All: []vigil.ResourceTest{{Tokens: []uint64{token("code loinc", 3)}}}},
		"count code and value": {Types: []string{"Observation"}, All: []vigil.ResourceTest{
			{Tokens: []uint64{token("code loinc", 3)}}, {Span: &vigil.ResourceRange{Param: token("value"), LoMin: 900, LoMax: 1000, HiMin: 900, HiMax: 1000}},
		}},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if n, exact, err := db.CountResources(ctx, q); n == 0 || !exact || err != nil {
					b.Fatal(n, exact, err)
				}
			}
		})
	}
}
