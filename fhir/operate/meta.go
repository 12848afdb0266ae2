package operate

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// maxMeta bounds the resources that $meta of a type or of everything looks at.
const maxMeta = 20_000

// A label is a tag, a security label, or with an empty code a profile. Two are
// the same when system and code are (resource.html#Meta).
type label struct{ system, code string }

// labels are what a meta says, in order.
type labels struct {
	profiles       []string
	tags, security []tree.Node
}

// meta is $meta (resource-operation-meta.html).
func meta(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	if in.ID != "" {
		r, err := in.Read(ctx, in.Type, in.ID, "")
		if err != nil {
			return nil, err
		}
		return returned(r.Body)
	}
	all, n := &labels{}, 0
	err := in.Find(ctx, in.Type, func(r vigil.Resource) error {
		if n++; n > maxMeta {
			return rest.Refuse(http.StatusUnprocessableEntity, "too-costly", "$meta looks at no more than %d resources; ask for one type or resource", maxMeta)
		}
		doc, err := tree.Parse(r.Body)
		if err == nil {
			all.add(doc.Root().Get("meta"))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Parameters").Name("parameter").Array().Object().Text("name", "return").Name("valueMeta")
	all.write(w.Object())
	return &rest.Result{Body: w.End().End().End().End().Bytes()}, nil
}

// returned is the meta of a resource as Parameters.
func returned(body []byte) (*rest.Result, error) {
	doc, err := tree.Parse(body)
	if err != nil {
		return nil, err
	}
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Parameters").Name("parameter").Array().Object().Text("name", "return")
	if m := doc.Root().Get("meta"); m.Ok() {
		w.Member("valueMeta", m.Raw())
	}
	return &rest.Result{Body: w.End().End().End().Bytes()}, nil
}

// metaAdd is $meta-add (resource-operation-meta-add.html). It makes a new version.
func metaAdd(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	return change(ctx, in, (*labels).add)
}

// metaDelete is $meta-delete (resource-operation-meta-delete.html).
func metaDelete(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	return change(ctx, in, (*labels).remove)
}

// maxTries bounds how often a change begins again because somebody else was
// faster.
const maxTries = 5

// change writes a resource with other labels.
func change(ctx context.Context, in *rest.Invocation, f func(*labels, tree.Node)) (*rest.Result, error) {
	given := in.Parameter("meta").Get("valueMeta")
	if given.Kind() != tree.Object {
		return nil, bad("meta", "a Parameters resource with a valueMeta named meta is needed")
	}
	for range maxTries {
		r, err := in.Do(ctx, rest.Step{Address: in.Type + "/" + in.ID})
		if err != nil {
			return nil, err
		}
		doc, err := tree.Parse(r.Body)
		if err != nil {
			return nil, err
		}
		l := &labels{}
		l.add(doc.Root().Get("meta"))
		before := l.bytes()
		f(l, given)
		after := l.bytes()
		if string(before) == string(after) {
			return returned(r.Body)
		}
		edit := tree.NewEdit(doc)
		edit.Put(doc.Root(), "meta", l.with(doc.Root().Get("meta")))
		done, err := in.Do(ctx, rest.Step{Method: http.MethodPut, Address: in.Type + "/" + in.ID, Body: edit.Bytes(), IfMatch: `W/"` + r.Version + `"`})
		var p *rest.Problem
		if errors.As(err, &p) && p.Status == http.StatusPreconditionFailed {
			continue
		}
		if err != nil {
			return nil, err
		}
		return returned(done.Body)
	}
	return nil, vigil.Errorf(vigil.Overloaded, "others change this resource all the time; try again")
}

// add takes over what a meta says and is not there yet.
func (l *labels) add(m tree.Node) {
	for p := range m.Get("profile").Items() {
		if !slices.Contains(l.profiles, p.Text()) {
			l.profiles = append(l.profiles, p.Text())
		}
	}
	l.tags, l.security = joined(l.tags, m.Get("tag")), joined(l.security, m.Get("security"))
}

// remove takes out what a meta says.
func (l *labels) remove(m tree.Node) {
	for p := range m.Get("profile").Items() {
		l.profiles = slices.DeleteFunc(l.profiles, func(s string) bool { return s == p.Text() })
	}
	l.tags, l.security = without(l.tags, m.Get("tag")), without(l.security, m.Get("security"))
}

func labelOf(n tree.Node) label { return label{n.Get("system").Text(), n.Get("code").Text()} }

func joined(list []tree.Node, more tree.Node) []tree.Node {
	for n := range more.Items() {
		if !slices.ContainsFunc(list, func(o tree.Node) bool { return labelOf(o) == labelOf(n) }) {
			list = append(list, n)
		}
	}
	return list
}

func without(list []tree.Node, gone tree.Node) []tree.Node {
	for n := range gone.Items() {
		list = slices.DeleteFunc(list, func(o tree.Node) bool { return labelOf(o) == labelOf(n) })
	}
	return list
}

// write appends the members of a meta.
func (l *labels) write(w *tree.Writer) {
	if len(l.profiles) > 0 {
		w.Name("profile").Array()
		for _, p := range l.profiles {
			w.String(p)
		}
		w.End()
	}
	for _, list := range [...]struct {
		name  string
		nodes []tree.Node
	}{{"security", l.security}, {"tag", l.tags}} {
		if len(list.nodes) == 0 {
			continue
		}
		w.Name(list.name).Array()
		for _, n := range list.nodes {
			w.Raw(n.Raw())
		}
		w.End()
	}
}

func (l *labels) bytes() []byte {
	w := tree.NewWriter(nil)
	l.write(w.Object())
	return w.End().Bytes()
}

// with is a meta with these labels instead of its own; all else stays.
func (l *labels) with(old tree.Node) []byte {
	before := &labels{}
	before.add(old)
	same := slices.Equal(before.profiles, l.profiles) // with what stands beside each, in _profile
	w := tree.NewWriter(nil)
	w.Object()
	if old.Ok() {
		for name, v := range old.Members() {
			switch name {
			case "security", "tag":
			case "profile", "_profile":
				if same {
					w.Member(name, v.Raw())
				}
			default:
				w.Member(name, v.Raw())
			}
		}
	}
	if same {
		l = &labels{tags: l.tags, security: l.security}
	}
	l.write(w)
	return w.End().Bytes()
}
