package fhir

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// A recordType is how the records of the registry become entries of a search.
type recordType[T any] struct {
	id    func(T) string
	keys  map[string]func(a, b T) int // by name of the sort parameter
	write func(dst []byte, x T) []byte
}

// sendRecords sorts, pages and sends what a search found in the registry. The
// cursor is the id of the last entry, so that it says nothing about a person
// and survives new records.
func sendRecords[T any](h *Handler, w http.ResponseWriter, r *http.Request, s *search, items []T, t recordType[T]) error {
	compare, err := sorting(r, s, t)
	if err != nil {
		return err
	}
	slices.SortStableFunc(items, compare)
	b := h.newBundle(r, s)
	if s.total || s.only {
		b.total = len(items)
	}
	if s.only {
		return h.sendBundle(w, r, b, nil)
	}
	if s.cursor != "" {
		id, err := base64.RawURLEncoding.DecodeString(s.cursor)
		at := slices.IndexFunc(items, func(x T) bool { return t.id(x) == string(id) })
		if err != nil || at < 0 {
			return bad("_cursor", "this cursor was not made by this server for this search, or its entry is gone")
		}
		items = items[at+1:]
	}
	for i, x := range items {
		if i == s.count {
			b.next = base64.RawURLEncoding.EncodeToString([]byte(t.id(items[i-1])))
			break
		}
		b.open()
		b.body = append(b.body, `{"fullUrl":`...)
		b.body = appendString(b.body, b.base+"/"+s.resource+"/"+t.id(x))
		b.body = append(b.body, `,"resource":`...)
		b.body = t.write(b.body, x)
		b.body = append(b.body, `,"search":{"mode":"match"}}`...)
	}
	return h.sendBundle(w, r, b, nil)
}

// sorting makes the comparison that _sort asks for; ids settle what is equal.
func sorting[T any](r *http.Request, s *search, t recordType[T]) (func(a, b T) int, error) {
	var by []func(a, b T) int
	for _, name := range s.sort {
		key, desc := strings.CutPrefix(name, "-")
		f, ok := t.keys[key]
		if !ok {
			s.unsorted(name)
			continue
		}
		if desc {
			f0 := f
			f = func(a, b T) int { return f0(b, a) }
		}
		by = append(by, f)
	}
	if len(s.odd) > 0 && strict(r) {
		return nil, s.odd[0]
	}
	return func(a, b T) int {
		for _, f := range by {
			if c := f(a, b); c != 0 {
				return c
			}
		}
		if len(by) == 0 {
			return 0 // the registry's own order
		}
		return cmp.Compare(t.id(a), t.id(b))
	}, nil
}
