package patch

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// TestJSONPatch has what RFC 6902 and RFC 6901 say beyond their examples.
func TestJSONPatch(t *testing.T) {
	for _, c := range []struct{ name, doc, patch, want string }{
		{"nothing", `{"a":1}`, `[]`, `{"a":1}`},
		{"null is a value", `{"a":1}`, `[{"op":"add","path":"/b","value":null},{"op":"replace","path":"/a","value":null},{"op":"test","path":"/b","value":null}]`, `{"a":null,"b":null}`},
		{"a member without a name", `{"":1}`, `[{"op":"replace","path":"/","value":2}]`, `{"":2}`},
		{"the whole document", `{"a":1}`, `[{"op":"replace","path":"","value":[]},{"op":"add","path":"/-","value":1}]`, `[1]`},
		{"a number that names a member", `{"0":1}`, `[{"op":"move","from":"/0","path":"/1"}]`, `{"1":1}`},
		{"a member called -", `{"a":1}`, `[{"op":"add","path":"/-","value":1}]`, `{"a":1,"-":1}`},
		{"move to where it is", `[1,2]`, `[{"op":"move","from":"/1","path":"/1"}]`, `[1,2]`},
		{"move over what is there", `{"a":1,"b":2}`, `[{"op":"move","from":"/a","path":"/b"}]`, `{"b":1}`},
		{"copy over what is there", `{"a":[1],"b":2}`, `[{"op":"copy","from":"/a","path":"/b"}]`, `{"a":[1],"b":[1]}`},
		{"copy into itself", `{"a":{}}`, `[{"op":"copy","from":"/a","path":"/a/b"}]`, `{"a":{"b":{}}}`},
		{"escapes", `{"a/b":{"c~d":1,"é":2}}`, `[{"op":"replace","path":"/a~1b/c~0d","value":3},{"op":"remove","path":"/a~1b/\u00e9"}]`, `{"a/b":{"c~d":3}}`},
		{"test does not see order", `{"a":{"x":1,"y":[1.0,2]}}`, `[{"op":"test","path":"/a","value":{"y":[1,2e0],"x":1}}]`, `{"a":{"x":1,"y":[1.0,2]}}`},
		{"what is unknown is ignored", `{}`, `[{"op":"add","path":"/a","value":1,"from":7,"x":{}}]`, `{"a":1}`},
		{"test of what is not there", `{}`, `[{"op":"test","path":"/a","value":null}]`, ""},
		{"index with an exponent", `[1,2]`, `[{"op":"remove","path":"/1e0"}]`, ""},
		{"index below 0", `[1]`, `[{"op":"add","path":"/-1","value":1}]`, ""},
		{"the end is nothing", `[1]`, `[{"op":"remove","path":"/-"}]`, ""},
		{"test of the end", `[1]`, `[{"op":"test","path":"/-","value":1}]`, ""},
		{"a name in an array", `[1]`, `[{"op":"add","path":"/a","value":1}]`, ""},
		{"replace what is not there", `{}`, `[{"op":"replace","path":"/a","value":1}]`, ""},
		{"path is no string", `{}`, `[{"op":"add","path":1,"value":1}]`, ""},
		{"from is no string", `{}`, `[{"op":"copy","path":"/a","from":1}]`, ""},
		{"op is there twice", `{"foo":1}`, `[{"op":"add","path":"/baz","value":"qux","op":"move","from":"/foo"}]`, ""},
		{"capital letters", `{}`, `[{"op":"ADD","path":"/a","value":1}]`, ""},
		{"a member of a string", `{"a":"b"}`, `[{"op":"test","path":"/a/0","value":"b"}]`, ""},
		{"all or nothing", `{"a":1}`, `[{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := JSON(parse(t, c.doc), []byte(c.patch))
			switch {
			case err != nil && c.want != "":
				t.Error(err)
			case err == nil && string(got.Bytes()) != c.want:
				t.Errorf("got %s, want %s", got.Bytes(), c.want)
			}
		})
	}
}

// TestJSONRandom does the same operations in another way, on maps and slices.
func TestJSONRandom(t *testing.T) {
	r, applied := rand.New(rand.NewPCG(1, 2)), 0
	for range 5000 {
		doc := value(r, 3)
		var ops []map[string]any
		for range 1 + r.IntN(3) {
			ops = append(ops, map[string]any{
				"op":   []string{"add", "remove", "replace", "move", "copy", "test"}[r.IntN(6)],
				"path": way(r, doc), "from": way(r, doc), "value": value(r, 1),
			})
		}
		docText, _ := json.Marshal(doc)
		patchText, _ := json.Marshal(ops)
		want, ok := doc, true
		for _, op := range ops {
			if want, ok = model(want, op); !ok {
				break
			}
		}
		got, err := JSON(parse(t, string(docText)), patchText)
		if (err == nil) != ok {
			t.Fatalf("%s by %s: got %v, want success %v", docText, patchText, err, ok)
		}
		if wantText, _ := json.Marshal(want); ok && !tree.Equal(got.Root(), parse(t, string(wantText)).Root()) {
			t.Fatalf("%s by %s: got %s, want %s", docText, patchText, got.Bytes(), wantText)
		}
		if ok {
			applied++
		}
	}
	if applied < 500 {
		t.Errorf("only %d patches could be applied", applied)
	}
}

// value makes a document, always a fresh one.
func value(r *rand.Rand, depth int) any {
	switch n := r.IntN(6); {
	case depth == 0 || n == 0:
		return float64(r.IntN(3))
	case n < 3:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, value(r, depth-1))
		}
		return list
	default:
		object := map[string]any{}
		for range 1 + r.IntN(4) {
			object[string(rune('a'+r.IntN(3)))] = value(r, depth-1)
		}
		return object
	}
}

// way makes a pointer, mostly to something that is there.
func way(r *rand.Rand, doc any) string {
	if r.IntN(5) == 0 {
		return "/" + []string{"a", "b", "c", "0", "1", "-"}[r.IntN(6)]
	}
	if r.IntN(3) == 0 {
		return ""
	}
	switch v := doc.(type) {
	case map[string]any:
		name := string(rune('a' + r.IntN(3)))
		return "/" + name + way(r, v[name])
	case []any:
		if i := r.IntN(len(v) + 1); i < len(v) {
			return "/" + strconv.Itoa(i) + way(r, v[i])
		}
		return "/-"
	}
	return ""
}

// model is RFC 6902 over maps and slices; it copies instead of changing.
func model(doc any, op map[string]any) (any, bool) {
	path, from := op["path"].(string), op["from"].(string)
	switch op["op"] {
	case "add":
		return modelSet(doc, path, op["value"], true)
	case "replace":
		if _, ok := modelGet(doc, path); !ok {
			return nil, false
		}
		return modelSet(doc, path, op["value"], false)
	case "remove":
		return modelRemove(doc, path)
	case "test":
		v, ok := modelGet(doc, path)
		return doc, ok && reflect.DeepEqual(v, op["value"])
	}
	v, ok := modelGet(doc, from)
	if !ok || op["op"] == "move" && strings.HasPrefix(path, from+"/") {
		return nil, false
	}
	if op["op"] == "move" && path != from {
		if doc, ok = modelRemove(doc, from); !ok {
			return nil, false
		}
	}
	if op["op"] == "move" && path == from {
		return doc, true
	}
	return modelSet(doc, path, v, true)
}

func modelGet(doc any, path string) (any, bool) {
	if path == "" {
		return doc, true
	}
	token, rest := modelCut(path)
	switch v := doc.(type) {
	case map[string]any:
		child, ok := v[token]
		if !ok {
			return nil, false
		}
		return modelGet(child, rest)
	case []any:
		if i, err := strconv.Atoi(token); err == nil && i < len(v) {
			return modelGet(v[i], rest)
		}
	}
	return nil, false
}

func modelCut(path string) (token, rest string) {
	token, rest, ok := strings.Cut(path[1:], "/")
	if ok {
		rest = "/" + rest
	}
	return token, rest
}

func modelCopy(v any) any {
	b, _ := json.Marshal(v)
	var out any
	_ = json.NewDecoder(bytes.NewReader(b)).Decode(&out)
	return out
}

func modelSet(doc any, path string, value any, add bool) (any, bool) {
	if path == "" {
		return modelCopy(value), true
	}
	doc = modelCopy(doc)
	token, rest := modelCut(path)
	switch v := doc.(type) {
	case map[string]any:
		child, ok := v[token]
		if !ok && rest != "" {
			return nil, false
		}
		v[token], ok = modelSet(child, rest, value, add)
		return v, ok
	case []any:
		i, err := strconv.Atoi(token)
		if token == "-" {
			i, err = len(v), nil
		}
		switch {
		case err != nil || i > len(v) || i == len(v) && rest != "":
			return nil, false
		case rest == "" && add:
			return append(v[:i:i], append([]any{modelCopy(value)}, v[i:]...)...), true
		}
		var ok bool
		v[i], ok = modelSet(v[i], rest, value, add)
		return v, ok
	}
	return nil, false
}

func modelRemove(doc any, path string) (any, bool) {
	if _, ok := modelGet(doc, path); !ok || path == "" {
		return nil, false
	}
	doc = modelCopy(doc)
	token, rest := modelCut(path)
	switch v := doc.(type) {
	case map[string]any:
		if rest == "" {
			delete(v, token)
		} else {
			v[token], _ = modelRemove(v[token], rest)
		}
		return v, true
	case []any:
		i, _ := strconv.Atoi(token)
		if rest == "" {
			return append(v[:i:i], v[i+1:]...), true
		}
		v[i], _ = modelRemove(v[i], rest)
		return v, true
	}
	return nil, false
}
