package reindex

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A State is how far the index is with a parameter.
type State struct {
	URL, Code string
	// Code of the state: ready, waiting, indexing, unused.
	Status      string
	Done, Total int64  // resources, while they are indexed
	Reason      string // why it is not used, or what goes wrong
}

// State returns how far the index is with a stored SearchParameter.
func (b *Book) State(id string) (State, bool) {
	b.Engine()
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.stored[id]
	if e == nil || e.param == nil && e.why == "" {
		return State{}, false
	}
	if e.param == nil || b.unused[id] != "" {
		st := State{Status: "unused", Reason: b.unused[id]}
		if e.param != nil {
			st.URL, st.Code = e.param.URL, e.param.Code
		}
		return st, true
	}
	return b.stateOf(e.param.URL, e.param.Code, b.done[e.param.URL] == printOf(e.param)), true
}

func (b *Book) stateOf(url, code string, known bool) State {
	st := State{URL: url, Code: code, Status: "ready"}
	switch {
	case known && !b.all:
	case b.work != nil && (b.all || slices.Contains(b.work.urls, url)):
		st.Status, st.Done, st.Total = "indexing", b.work.done, b.work.total
	default:
		st.Status, st.Reason = "waiting", b.trouble
	}
	return st
}

// States are those of all parameters beyond R4, of guides, too.
func (b *Book) States() []State {
	b.Engine()
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []State
	for _, p := range b.extra {
		out = append(out, b.stateOf(p.URL, p.Code, b.done[p.URL] == printOf(p)))
	}
	return out
}

// Again indexes all resources anew in the background.
func (b *Book) Again() {
	b.mu.Lock()
	b.all = true
	b.mu.Unlock()
	b.poke()
}

// Operations returns $status of SearchParameters and $reindex.
func (b *Book) Operations() []rest.Operation {
	types := []string{parameterType}
	return []rest.Operation{
		{Name: "status", Definition: "https://github.com/vigil-iomt/vigil/OperationDefinition/SearchParameter-status", Type: true, Instance: true, Types: types, Handle: b.status},
		{Name: "reindex", Definition: "https://github.com/vigil-iomt/vigil/OperationDefinition/reindex", System: true, Affects: true, Handle: b.reindex},
	}
}

// status tells how far the index is with one parameter, or with all beyond R4.
func (b *Book) status(_ context.Context, in *rest.Invocation) (*rest.Result, error) {
	states := b.States()
	if in.ID != "" {
		st, ok := b.State(in.ID)
		if !ok {
			return nil, vigil.Errorf(vigil.NotFound, "there is no SearchParameter with this id")
		}
		states = []State{st}
	}
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Parameters")
	if len(states) > 0 {
		w.Name("parameter").Array()
		for i := range states {
			states[i].write(w)
		}
		w.End()
	}
	return &rest.Result{Body: w.End().Bytes()}, nil
}

func (st *State) write(w *tree.Writer) {
	w.Object().Text("name", "parameter").Name("part").Array()
	text := func(name, kind, value string) {
		if value != "" {
			w.Object().Text("name", name).Text(kind, value).End()
		}
	}
	text("url", "valueUri", st.URL)
	text("code", "valueCode", st.Code)
	text("status", "valueCode", st.Status)
	if st.Status == "indexing" {
		w.Object().Text("name", "done").Name("valueInteger").Word(strconv.FormatInt(st.Done, 10)).End()
		w.Object().Text("name", "total").Name("valueInteger").Word(strconv.FormatInt(st.Total, 10)).End()
	}
	text("reason", "valueString", st.Reason)
	w.End().End()
}

// reindex begins to index everything anew.
func (b *Book) reindex(context.Context, *rest.Invocation) (*rest.Result, error) {
	b.Again()
	return &rest.Result{Status: http.StatusAccepted, Body: rest.AppendOutcome(nil, rest.Issue{
		Severity: "information", Code: "informational", Text: "all resources are indexed anew in the background; SearchParameter/$status tells how far that is",
	})}, nil
}
