// Package reindex keeps what resources are found by in step with the search
// parameters that there are (FHIR R4 searchparameter.html): those that clients
// store as SearchParameter resources, and those of guides.
//
// A parameter that comes is used at once: what is written from then on has keys
// for it, and searches look at the resources themselves until those that were
// there before have keys, too. That happens in the background, and what is done
// is remembered over a start. Nobody is told that a resource is not there because
// its keys are not.
package reindex

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Record is where resources and documents are kept; the store is one.
type Record interface {
	SelectResources(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error)
	ResourceHistory(ctx context.Context, h vigil.ResourceHistory) ([]vigil.Resource, error)
	Reindex(ctx context.Context, types []string, keys func(vigil.Resource) (vigil.ResourceKeys, error), progress func(done, total int64)) error
	Documents(ctx context.Context, kind string) ([]vigil.Document, error)
	SaveDocuments(ctx context.Context, docs ...vigil.Document) error
}

// Config says what a Book needs.
type Config struct {
	Record Record
	Set    func() *schema.Set // the definitions of this moment
	Key    search.Key
	// Grace is how long the background waits before it begins, so that who writes
	// without knowing of a parameter has finished.
	Grace time.Duration
	Now   func() time.Time
	Log   *slog.Logger
}

// Kind is the kind of the document that says what the index knows of all
// resources, and parameterType the resources that a Book follows.
const (
	Kind          = "search-index"
	parameterType = "SearchParameter"
)

// A Book knows the parameters beyond those of R4 itself, and how far the index
// is with each.
type Book struct {
	c    Config
	wake chan struct{}

	mu      sync.RWMutex
	stored  map[string]*entry // by id of the SearchParameter
	newest  vigil.Instant     // change that is here
	done    map[string]string // address → print of what the index knows
	version int64             // of the document that says so
	all     bool              // everything is to be indexed anew
	work    *progress         // nil while nothing is done
	trouble string            // why the last attempt failed

	of     *schema.Set // what engine and extra were made of
	engine *search.Engine
	extra  []*schema.Param   // of guides and clients, those that are used
	unused map[string]string // id → why a stored parameter is not used
}

// An entry is a stored SearchParameter.
type entry struct {
	number int64         // version of the resource
	param  *schema.Param // nil when it was deleted or cannot be read
	why    string        // it is not used
}

// progress is how far the background is.
type progress struct {
	urls        []string
	done, total int64
}

// New returns a book; Load fills it.
func New(c Config) *Book {
	return &Book{c: c, wake: make(chan struct{}, 1), stored: map[string]*entry{}, done: map[string]string{}}
}

// Load reads what is stored.
func (b *Book) Load(ctx context.Context) error {
	q := vigil.ResourceQuery{Types: []string{parameterType}, Bodies: true, Limit: 100}
	for {
		hits, err := b.c.Record.SelectResources(ctx, q)
		if err != nil {
			return err
		}
		for i := range hits {
			b.note(&hits[i].Resource)
		}
		if len(hits) < q.Limit {
			break
		}
		q.After = &hits[len(hits)-1].Mark
	}
	return b.loadDone(ctx)
}

// loadDone reads what the index knows.
func (b *Book) loadDone(ctx context.Context) error {
	docs, err := b.c.Record.Documents(ctx, Kind)
	if err != nil || len(docs) == 0 {
		return err
	}
	done := map[string]string{}
	if err := json.Unmarshal(docs[0].Body, &done); err != nil {
		return fmt.Errorf("read what the index knows: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version != docs[0].Version {
		for url, print := range b.done {
			if _, ok := done[url]; ok && print == "" {
				done[url] = ""
			}
		}
		b.done, b.version, b.of = done, docs[0].Version, nil
	}
	return nil
}

// overlap is how far back a Refresh looks behind the newest change that is here:
// processes do not finish their writes in the order of their clocks.
const overlap = vigil.Instant(30 * time.Second / time.Microsecond)

// Refresh reads what other processes have written since.
func (b *Book) Refresh(ctx context.Context) error {
	b.mu.RLock()
	since := max(0, b.newest-overlap)
	b.mu.RUnlock()
	h := vigil.ResourceHistory{Type: parameterType, Since: since, Limit: 100}
	for {
		changes, err := b.c.Record.ResourceHistory(ctx, h)
		if err != nil {
			return err
		}
		b.Written(changes)
		if len(changes) < h.Limit {
			return b.loadDone(ctx)
		}
		h.Before = changes[len(changes)-1].Written
	}
}

// Written notes what was written, or deleted.
func (b *Book) Written(resources []vigil.Resource) {
	for i := range resources {
		if resources[i].Type == parameterType {
			b.note(&resources[i])
			b.poke()
		}
	}
}

// poke lets the background look.
func (b *Book) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// note takes a version of a SearchParameter, unless a newer one is here.
func (b *Book) note(r *vigil.Resource) {
	e := &entry{number: r.Version}
	if !r.Deleted {
		e.param, e.why = read(r.Body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.newest = max(b.newest, r.Changed)
	if old := b.stored[r.ID]; old == nil || old.number < e.number {
		b.stored[r.ID], b.of = e, nil
	}
}

// read reads a SearchParameter; why says that it is not one to be used.
func read(body []byte) (p *schema.Param, why string) {
	doc, err := tree.Parse(body)
	if err != nil {
		return nil, "it cannot be read"
	}
	if p, err = search.Live(doc.Root()); err != nil {
		return nil, err.Error()
	}
	if status := doc.Root().Get("status").Text(); status != "active" {
		return p, "its status is " + status + ", not active"
	}
	return p, ""
}

// Engine is what resources are found by now.
func (b *Book) Engine() *search.Engine {
	set := b.c.Set()
	b.mu.RLock()
	e, fits := b.engine, b.of == set
	b.mu.RUnlock()
	if fits {
		return e
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of != set {
		b.make(set)
	}
	return b.engine
}

// make makes the engine: with the parameters that can be used, those that the
// index does not know of all resources pending.
func (b *Book) make(set *schema.Set) {
	plain, err := search.New(search.Config{Schema: set, Key: b.c.Key})
	if err != nil { // only parameters that were added could be wrong, and there are none
		b.c.Log.Error("search parameters cannot be used", "error", err)
		b.of = set
		return
	}
	b.extra, b.unused = guided(set), map[string]string{}
	taken := map[string]bool{} // Patient code
	var stored []*schema.Param
	for _, id := range slices.Sorted(maps.Keys(b.stored)) {
		e := b.stored[id]
		if e.param == nil && e.why == "" {
			continue // deleted
		}
		why := e.why
		if why == "" {
			why = unusable(plain, e.param, taken)
		}
		if why != "" {
			b.unused[id] = why
			continue
		}
		stored = append(stored, e.param)
	}
	b.extra = append(b.extra, stored...)
	for url := range b.done {
		if !slices.ContainsFunc(b.extra, func(p *schema.Param) bool { return p.URL == url }) {
			b.done[url] = "" // what is written from now on has no keys for it
		}
	}
	e := plain
	if pending := b.pending(); len(stored)+len(pending) > 0 {
		if e, err = search.New(search.Config{Schema: set, Key: b.c.Key, Params: stored, Pending: pending}); err != nil {
			b.c.Log.Error("search parameters that clients stored cannot be used", "error", err)
			e = plain
		}
	}
	b.engine, b.of = e, set
	b.poke()
}

// guided are the parameters of guides.
func guided(set *schema.Set) []*schema.Param {
	if set == schema.R4() {
		return nil
	}
	seen := map[string]bool{}
	var out []*schema.Param
	for _, typ := range set.Resources() {
		for _, p := range set.Params(typ) {
			if old := schema.R4().Param(typ, p.Code); (old == nil || old.URL != p.URL) && !seen[p.URL] {
				seen[p.URL] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// Check warns of a SearchParameter that will not be used.
func (b *Book) Check(doc *tree.Doc) []check.Issue {
	root := doc.Root()
	if root.Get("resourceType").Text() != parameterType {
		return nil
	}
	p, why := read(root.Raw())
	b.mu.RLock()
	same := slices.ContainsFunc(b.extra, func(o *schema.Param) bool { return p != nil && o.URL == p.URL })
	b.mu.RUnlock()
	if why == "" && !same {
		why = unusable(b.Engine(), p, map[string]bool{})
	}
	if why == "" {
		return nil
	}
	return []check.Issue{{Severity: check.Warning, Code: "not-supported", Expression: parameterType, Message: "nobody can search by this parameter: " + why}}
}

// unusable says why a stored parameter is not used; "" when it is.
func unusable(plain *search.Engine, p *schema.Param, taken map[string]bool) string {
	if err := plain.Check(p); err != nil {
		return err.Error()
	}
	set := plain.Schema()
	for _, typ := range typesOf(set, p.Bases) {
		if old := set.Param(typ, p.Code); old != nil {
			return fmt.Sprintf("%s has a parameter %s already: %s", typ, p.Code, old.URL)
		}
		if taken[typ+" "+p.Code] {
			return fmt.Sprintf("another SearchParameter gives %s the parameter %s already", typ, p.Code)
		}
	}
	for _, typ := range typesOf(set, p.Bases) {
		taken[typ+" "+p.Code] = true
	}
	return ""
}

// typesOf are the types of resource that some bases stand for.
func typesOf(set *schema.Set, bases []string) []string {
	var out []string
	for _, name := range set.Resources() {
		if t := set.Type(name); slices.ContainsFunc(bases, t.Is) {
			out = append(out, name)
		}
	}
	return out
}

// pending are the addresses of parameters that the index does not know of all
// resources.
func (b *Book) pending() []string {
	var out []string
	for _, p := range b.extra {
		if b.done[p.URL] != printOf(p) {
			out = append(out, p.URL)
		}
	}
	return out
}

// printOf tells one definition of a parameter from another, as far as keys
// depend on it.
func printOf(p *schema.Param) string {
	h := sha256.New()
	bases, targets := slices.Sorted(slices.Values(p.Bases)), slices.Sorted(slices.Values(p.Targets))
	fmt.Fprintf(h, "%q %q %q %q %q", p.Code, p.Kind, p.Expression, strings.Join(bases, " "), strings.Join(targets, " "))
	for _, c := range p.Components {
		fmt.Fprintf(h, " %q %q", c.Definition, c.Expression)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
