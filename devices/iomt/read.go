package iomt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A reader reads a mapping file and lists what is wrong in it.
type reader struct {
	file     string
	problems []devices.Problem
}

// wrong notes a problem at a value.
func (r *reader) wrong(v *jsontree.Value, format string, args ...any) {
	p := devices.Problem{File: r.file, Msg: fmt.Sprintf(format, args...)}
	if v != nil && v.Line > 0 {
		p.Pos = fmt.Sprintf("line %d column %d", v.Line, v.Col)
	}
	r.problems = append(r.problems, p)
}

// document reads the JSON of a file.
func (r *reader) document(text []byte) *jsontree.Value {
	v, err := jsontree.ParseFile(text)
	var e *jsontree.Error
	if errors.As(err, &e) {
		r.problems = append(r.problems, devices.Problem{
			File: r.file, Pos: fmt.Sprintf("line %d column %d", e.Line, e.Col), Msg: "not JSON: " + e.Msg,
		})
	}
	return v
}

// container reads {"templateType": …, "template": …} and returns the two.
func (r *reader) container(v *jsontree.Value) (string, *jsontree.Value, bool) {
	o, ok := r.object(v, "a template", "templateType", "template")
	if !ok {
		return "", nil, false
	}
	kind := o.text("templateType", true)
	body := o.members["template"]
	if body == nil {
		r.wrong(v, "template is missing")
		return kind, nil, false
	}
	// The suffix may be there or not, and case does not matter.
	return strings.TrimSuffix(strings.ToLower(kind), "template"), body, kind != ""
}

// collection reads a file whose root is a collection of templates.
func (r *reader) collection(text []byte, want string) []*jsontree.Value {
	v := r.document(text)
	if v == nil {
		return nil
	}
	kind, body, ok := r.container(v)
	switch {
	case !ok:
		return nil
	case kind != strings.ToLower(want):
		r.wrong(v, "the root's templateType should be %s, not %s", want, kind)
		return nil
	case body.Kind != jsontree.Array:
		r.wrong(body, "template should be an array of templates")
		return nil
	}
	return body.Items
}

// An object is a JSON object whose members are found whatever their case.
type object struct {
	r       *reader
	v       *jsontree.Value
	what    string
	members map[string]*jsontree.Value
}

// object reads an object that may have certain members and no others.
func (r *reader) object(v *jsontree.Value, what string, names ...string) (object, bool) {
	o := object{r: r, v: v, what: what, members: map[string]*jsontree.Value{}}
	if v.Kind != jsontree.Object {
		r.wrong(v, "%s should be an object", what)
		return o, false
	}
	for i, name := range v.Names {
		known := false
		for _, n := range names {
			if strings.EqualFold(n, name) {
				known = true
				if v.Items[i].Kind != jsontree.Null {
					o.members[n] = v.Items[i]
				}
			}
		}
		if !known {
			r.wrong(v.Items[i], "%s has no member %q", what, name)
		}
	}
	return o, true
}

// text reads a text. A required one must not be blank.
func (o *object) text(name string, required bool) string {
	v := o.members[name]
	switch {
	case v == nil && required:
		o.r.wrong(o.v, "%s: required member %s is missing", o.what, name)
	case v == nil:
	case v.Kind == jsontree.Array || v.Kind == jsontree.Object:
		o.r.wrong(v, "%s should be a text", name)
	case required && strings.TrimSpace(v.Text) == "":
		o.r.wrong(v, "%s: required member %s is empty", o.what, name)
	default:
		return v.Text
	}
	return ""
}

// flag reads true, false, "true" or "false".
func (o *object) flag(name string) bool {
	v := o.members[name]
	switch {
	case v == nil:
		return false
	case v.Kind == jsontree.Bool:
		return v.True
	case v.Kind == jsontree.String:
		if b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v.Text))); err == nil {
			return b
		}
	case v.Kind == jsontree.Null, v.Kind == jsontree.Number, v.Kind == jsontree.Array, v.Kind == jsontree.Object:
	}
	o.r.wrong(v, "%s should be true or false", name)
	return false
}

// list reads an array.
func (o *object) list(name string, required bool) []*jsontree.Value {
	v := o.members[name]
	switch {
	case v == nil && required:
		o.r.wrong(o.v, "%s: required member %s is missing", o.what, name)
	case v == nil:
	case v.Kind != jsontree.Array:
		o.r.wrong(v, "%s should be an array", name)
	default:
		return v.Items
	}
	return nil
}
