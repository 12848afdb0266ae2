package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-iomt/vigil"
)

// samples are the samples of a block, null where the device sent none.
type samples []int32

// MarshalJSON writes them as a list.
func (s samples) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+5*len(s))
	b = append(b, '[')
	for i, v := range s {
		if i > 0 {
			b = append(b, ',')
		}
		if v == vigil.Missing {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	return append(b, ']'), nil
}

// A WaveBlock is a run of equally spaced samples: value = offset + gain*sample.
type WaveBlock struct {
	Series  vigil.SeriesID `json:"series"`
	Metric  string         `json:"metric"`
	Start   vigil.Instant  `json:"start"`
	RateNum int64          `json:"rateNum" doc:"Samples per second, as a fraction."`
	RateDen int64          `json:"rateDen"`
	Gain    float64        `json:"gain"`
	Offset  float64        `json:"offset"`
	Unit    string         `json:"unit"`
	Samples samples        `json:"samples" doc:"null where the device sent none."`
	Quality vigil.Quality  `json:"quality"`
}

// wavePage is a page of blocks.
type wavePage struct {
	Blocks []WaveBlock `json:"blocks"`
	Next   string      `json:"next,omitempty"`
}

// waveQuery chooses blocks of waves.
type waveQuery struct {
	Selection
	Series vigil.SeriesID `query:"series" doc:"One series, instead of patient and metric."`
	From   time.Time      `query:"from" doc:"A minute before to when absent."`
	To     time.Time      `query:"to" doc:"Now when absent."`
	Cursor string         `query:"cursor" doc:"next of the page before."`
	Limit  int            `query:"limit" minimum:"1" maximum:"5000" default:"1000"`
}

// waves registers the route of waves.
func (s *server) waves() {
	handle(s, route{"wave.search", http.MethodGet, "/waves", "Read blocks of samples back, exactly as they came"},
		func(ctx context.Context, in *waveQuery) (*answer[wavePage], error) {
			list, err := s.waveSeries(ctx, in)
			if err != nil {
				return nil, err
			}
			page, err := s.wavePage(ctx, in, list)
			return said(page), err
		})
}

// waveSeries returns the chosen series.
func (s *server) waveSeries(ctx context.Context, in *waveQuery) ([]vigil.Series, error) {
	if in.Series == 0 && !in.narrow() {
		return nil, invalid("query.series", "name a series, a patient, a subject or a device")
	}
	list, err := s.find(ctx, &in.Selection, true)
	if err != nil || in.Series == 0 {
		return list, err
	}
	list = slices.DeleteFunc(list, func(v vigil.Series) bool { return v.ID != in.Series })
	if len(list) == 0 {
		return nil, vigil.Errorf(vigil.NotFound, "there is no wave with this series")
	}
	return list, nil
}

// wavePage reads the blocks of several series, in the order of start and
// series. A page ends between blocks.
func (s *server) wavePage(ctx context.Context, in *waveQuery, list []vigil.Series) (wavePage, error) {
	page := wavePage{Blocks: []WaveBlock{}}
	at, err := parsePlace(in.Cursor, objectPlace)
	if err != nil {
		return page, err
	}
	during, err := interval(in.From, in.To)
	if err != nil {
		return page, err
	}
	if during.To == 0 {
		during.To = s.now() + 1
	}
	if during.From == 0 {
		during.From = during.To.Add(-time.Minute)
	}
	for i := range list {
		blocks, err := s.blocks(ctx, &list[i], during, in.Limit+1, at)
		if err != nil {
			return page, err
		}
		page.Blocks = append(page.Blocks, blocks...)
	}
	slices.SortFunc(page.Blocks, func(a, b WaveBlock) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Series, b.Series))
	})
	if len(page.Blocks) > in.Limit {
		page.Blocks = page.Blocks[:in.Limit]
		last := page.Blocks[in.Limit-1]
		page.Next = place{last.Series, vigil.Point{Taken: last.Start}}.text(objectPlace)
	}
	return page, nil
}

// blocks reads at most n blocks of one series behind a place. Blocks that began
// before the place and reach over it were returned already.
func (s *server) blocks(ctx context.Context, v *vigil.Series, during vigil.Interval, n int, at *place) ([]WaveBlock, error) {
	var out []WaveBlock
	first := vigil.Instant(0)
	if at != nil {
		first = at.point.Taken
		if v.ID <= at.series {
			first++
		}
		during.From = max(during.From, first)
	}
	// Blocks that overlap the place are read and dropped; one block reaches
	// over it unless the device overlaps its own.
	for extra := 4; ; extra *= 8 {
		waves, err := s.c.Readings.Waves(ctx, v.ID, during, n+extra)
		if err != nil {
			return nil, err
		}
		out = out[:0]
		for i := range waves {
			w := &waves[i]
			if w.Start < first {
				continue
			}
			out = append(out, WaveBlock{
				Series: v.ID, Metric: v.Metric.Name, Start: w.Start, RateNum: w.Metric.RateNum, RateDen: w.Metric.RateDen,
				Gain: w.Gain, Offset: w.Offset, Unit: v.Metric.Unit, Samples: w.Samples, Quality: w.Quality,
			})
		}
		if len(out) >= n || len(waves) < n+extra {
			return out[:min(n, len(out))], nil
		}
	}
}
