package store

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
)

const aUUID = "018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f6"

// FuzzBody packs any bytes and gets them back; what was not packed by us is
// refused or gives something, without a panic.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		"", "{}", `{"id":"` + aUUID + `","subject":"Patient/` + aUUID + `"}`, "\x01\x02\x03", aUUID + aUUID, "-" + aUUID + "-",
		strings.Repeat(aUUID[:18], 4), strings.ToUpper(aUUID), strings.Repeat(`{"resourceType":"Observation"}`, 50),
		"252abfcc-dd25-a9ce-f187-873a98cecc53" + aUUID[:35], "--------" + aUUID,
	} {
		f.Add([]byte(s), aUUID, "252abfcc-dd25-a9ce-f187-873a98cecc53")
	}
	f.Fuzz(func(t *testing.T, body []byte, self, owner string) {
		packed := packBody(nil, body, self, owner)
		if len(packed) > len(body)+1 {
			t.Errorf("%d bytes become %d", len(body), len(packed))
		}
		got, err := unpackBody(packed, self, owner)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%q comes back as %q, %v", body, got, err)
		}
		if len(body) < 1<<10 {
			_, _ = unpackBody(body, self, owner)
			_, _ = unfoldUUIDs(nil, body, self, owner)
		}
		if self != "" && self[0] > ' ' && unpackID(packID(self)) != self {
			t.Errorf("id %q comes back as %q", self, unpackID(packID(self)))
		}
	})
}

// FuzzKeys reads any bytes as keys; what it can read it writes the same again.
func FuzzKeys(f *testing.F) {
	for _, k := range []vigil.ResourceKeys{
		{}, {Tokens: []uint64{1, math.MaxUint64}},
		{Spans: []vigil.ResourceSpan{{Param: 8, Lo: 5, Hi: 5}, {Param: 8, Lo: 6, Hi: 1_000_005}, {Param: 16, Lo: math.MinInt64, Hi: math.MaxInt64}}},
		{Spans: []vigil.ResourceSpan{{Param: 8, Lo: 5, Hi: 9}}, Lines: []vigil.ResourceLine{{Line: 1, At: 5}, {Line: 2, At: 6}}},
	} {
		b := packKeys(&k)
		var got vigil.ResourceKeys
		if err := unpackKeys(&got, b); err != nil || !slices.Equal(got.Tokens, k.Tokens) || !slices.Equal(got.Spans, k.Spans) || !slices.Equal(got.Lines, k.Lines) {
			f.Errorf("%+v comes back as %+v, %v", k, got, err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var k, again vigil.ResourceKeys
		if unpackKeys(&k, b) != nil {
			return
		}
		tidy, err := tidyKeys(k)
		if err != nil {
			return
		}
		if err := unpackKeys(&again, packKeys(&tidy)); err != nil || len(again.Tokens)+len(tidy.Tokens) > 0 && !reflect.DeepEqual(again.Tokens, tidy.Tokens) ||
			!slices.Equal(again.Spans, tidy.Spans) || !slices.Equal(again.Lines, tidy.Lines) {
			t.Errorf("%+v comes back as %+v, %v", tidy, again, err)
		}
	})
}

// FuzzPosting reads any bytes as a posting; what it can read it writes the same
// again.
func FuzzPosting(f *testing.F) {
	f.Add(int64(5), appendMore(nil, []int64{5, 6, 9, 1000}))
	f.Add(int64(0), []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, rid int64, more []byte) {
		if rid < 0 || rid > math.MaxInt64/2 {
			return
		}
		rids, err := appendRids(nil, rid, more)
		if err != nil {
			return
		}
		again, err := appendRids(nil, rids[0], appendMore(nil, rids))
		if err != nil || !slices.Equal(again, rids) || !slices.IsSorted(rids) {
			t.Errorf("%v comes back as %v, %v", rids, again, err)
		}
	})
}

// TestLeastUUID compares bounds of ids with what the texts say.
func TestLeastUUID(t *testing.T) {
	uuids := []string{
		"00000000-0000-0000-0000-000000000000", "018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f6", "09999999-9999-9999-9999-999999999999",
		"0a000000-0000-0000-0000-000000000000", "9fffffff-ffff-ffff-ffff-ffffffffffff", "a0000000-0000-0000-0000-000000000000",
		"e0000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
	}
	texts := append([]string{
		"", "0", "00", "0A", "0Z", "1", "9", "9g", "A", "Z", "a", "e", "ex", "example", "f", "fg", "ffffffff", "ffffffff-", "ffffffff.", "g", "zz", "~", "-", ".",
		"018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f6-7", "018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f", "018f2d3c-5b6a", "018f2d3c5b6a",
	}, uuids...)
	for _, text := range texts {
		edge, ok := leastUUID(text)
		for _, u := range uuids {
			got := ok && bytes.Compare(packID(u), edge) >= 0
			if want := u >= text; got != want {
				t.Errorf("is %s behind %q: %v, want %v (bound %x, %v)", u, text, got, want, edge, ok)
			}
		}
	}
}
