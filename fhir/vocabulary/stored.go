package vocabulary

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Types are the resources that a Stored follows.
func Types() []string { return []string{"CodeSystem", "ConceptMap", "ValueSet"} }

// Stored are the definitions that clients stored. The zero value is empty and
// ready; it is safe for concurrent use.
type Stored struct {
	generation atomic.Uint64
	mu         sync.RWMutex
	newest     vigil.Instant            // change that is here
	byID       map[string]*definition   // CodeSystem/id
	byURL      map[string][]*definition // CodeSystem address
}

var _ terms.Source = (*Stored)(nil)

// A definition is a stored resource; it is parsed when somebody asks.
type definition struct {
	kind, id, url, version string
	number                 int64  // version of the resource
	body                   []byte // nil when it was deleted
	once                   sync.Once
	value                  any
}

// Load reads all that is stored.
func (s *Stored) Load(ctx context.Context, record Record) error {
	q := vigil.ResourceQuery{Types: Types(), Bodies: true, Limit: 100}
	for {
		hits, err := record.SelectResources(ctx, q)
		if err != nil {
			return err
		}
		for i := range hits {
			s.note(&hits[i].Resource)
		}
		if len(hits) < q.Limit {
			return nil
		}
		q.After = &hits[len(hits)-1].Mark
	}
}

// overlap is how far back a Refresh looks behind the newest change that is here:
// processes do not finish their writes in the order of their clocks.
const overlap = vigil.Instant(30 * time.Second / time.Microsecond)

// A History is where changes are read; the store is one.
type History interface {
	ResourceHistory(ctx context.Context, h vigil.ResourceHistory) ([]vigil.Resource, error)
}

// Refresh reads what other processes have written since.
func (s *Stored) Refresh(ctx context.Context, record History) error {
	s.mu.RLock()
	since := max(0, s.newest-overlap)
	s.mu.RUnlock()
	for _, typ := range Types() {
		h := vigil.ResourceHistory{Type: typ, Since: since, Limit: 100}
		for {
			changes, err := record.ResourceHistory(ctx, h)
			if err != nil {
				return err
			}
			s.Written(changes)
			if len(changes) < h.Limit {
				break
			}
			h.Before = changes[len(changes)-1].Written
		}
	}
	return nil
}

// Written notes what was written, or deleted.
func (s *Stored) Written(resources []vigil.Resource) {
	for i := range resources {
		if slices.Contains(Types(), resources[i].Type) {
			s.note(&resources[i])
		}
	}
}

// note takes a version of a resource, unless a newer one is here.
func (s *Stored) note(r *vigil.Resource) {
	d := &definition{kind: r.Type, id: r.ID, number: r.Version}
	if !r.Deleted {
		d.body = r.Body
		doc, err := tree.Parse(r.Body)
		if err != nil {
			return
		}
		d.url, d.version = doc.Root().Get("url").Text(), doc.Root().Get("version").Text()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID, s.byURL = map[string]*definition{}, map[string][]*definition{}
	}
	s.newest = max(s.newest, r.Changed)
	name := r.Type + "/" + r.ID
	if old := s.byID[name]; old != nil {
		if old.number >= d.number {
			return
		}
		k := old.kind + " " + old.url
		s.byURL[k] = slices.DeleteFunc(slices.Clone(s.byURL[k]), func(o *definition) bool { return o == old })
	}
	s.byID[name] = d
	if d.url != "" {
		k := d.kind + " " + d.url
		s.byURL[k] = append(slices.Clip(s.byURL[k]), d)
	}
	s.generation.Add(1)
}

// find returns the newest definition of an address, or that of its version.
func (s *Stored) find(kind, canonical string) *definition {
	url, version, _ := strings.Cut(canonical, "|")
	s.mu.RLock()
	defer s.mu.RUnlock()
	var best *definition
	for _, d := range s.byURL[kind+" "+url] {
		if version != "" && d.version != version && !strings.HasPrefix(d.version, version+".") {
			continue
		}
		if best == nil || schema.NewerVersion(d.version, best.version) {
			best = d
		}
	}
	return best
}

// read parses a definition once; what cannot be read is nil.
func read[T any](d *definition, parse func([]byte) (*T, error)) *T {
	if d == nil || d.body == nil {
		return nil
	}
	d.once.Do(func() {
		if v, err := parse(d.body); err == nil {
			d.value = v
		}
	})
	v, _ := d.value.(*T)
	return v
}

// CodeSystem finds a code system.
func (s *Stored) CodeSystem(canonical string) *schema.CodeSystem {
	return read(s.find("CodeSystem", canonical), schema.ParseCodeSystem)
}

// ValueSet finds a value set.
func (s *Stored) ValueSet(canonical string) *schema.ValueSet {
	return read(s.find("ValueSet", canonical), schema.ParseValueSet)
}

// ConceptMaps returns all concept maps.
func (s *Stored) ConceptMaps() []*schema.ConceptMap {
	s.mu.RLock()
	var ds []*definition
	for _, d := range s.byID {
		if d.kind == "ConceptMap" {
			ds = append(ds, d)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(ds, func(a, b *definition) int { return strings.Compare(a.id, b.id) })
	var out []*schema.ConceptMap
	for _, d := range ds {
		if m := read(d, schema.ParseConceptMap); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// Generation changes whenever a definition does.
func (s *Stored) Generation() uint64 { return s.generation.Load() }
