package iomt

import (
	"strings"

	"github.com/vigil-iomt/vigil/codec/jmespath"
	"github.com/vigil-iomt/vigil/codec/jsonquery"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A content is one template of devicecontent.json: which parts of a message are
// measurements of a type, and where in them things are.
type content struct {
	kind      contentKind
	at        *jsontree.Value
	typeName  string
	match     *expression
	device    []*expression
	timestamp []*expression // the first that gives something counts
	patient   *expression
	encounter *expression
	relation  *expression // correlation
	values    []valueOf
}

// A valueOf says where a value of a measurement is.
type valueOf struct {
	name     string
	required bool
	expr     *expression
}

// A contentKind is a kind of template.
type contentKind uint8

const (
	jsonPath   contentKind = iota // later expressions see the matched part
	iotHub                        // as sent through an IoT hub
	iotCentral                    // as exported by IoT Central
	calculated                    // later expressions see the message and matchedToken
)

// An expression is JSONPath or JMESPath.
type expression struct {
	text string
	path *jsonquery.Path
	jmes *jmespath.Expression
}

// all returns everything that an expression gives. JMESPath gives an array of
// matches.
func (e *expression) all(v *jsontree.Value) ([]*jsontree.Value, error) {
	if e.path != nil {
		return e.path.All(v)
	}
	out, err := e.jmes.Search(v)
	switch {
	case err != nil || out.Kind == jsontree.Null:
		return nil, err
	case out.Kind == jsontree.Array:
		return out.Items, nil
	}
	return []*jsontree.Value{out}, nil
}

// one returns the one value that an expression gives; nil for none and for null.
func (e *expression) one(v *jsontree.Value) (*jsontree.Value, error) {
	var out *jsontree.Value
	var err error
	if e.path != nil {
		out, err = e.path.One(v)
	} else {
		out, err = e.jmes.Search(v)
	}
	if err != nil || out == nil || out.Kind == jsontree.Null {
		return nil, err
	}
	return out, nil
}

// deviceContent reads devicecontent.json.
func (r *reader) deviceContent(text []byte) []*content {
	var out []*content
	for _, v := range r.collection(text, "CollectionContent") {
		kind, body, ok := r.container(v)
		if !ok {
			continue
		}
		var c *content
		switch kind {
		case "jsonpathcontent":
			c = r.content(jsonPath, body)
		case "iotjsonpathcontent":
			c = r.content(iotHub, body)
		case "iotcentraljsonpathcontent":
			c = r.content(iotCentral, body)
		case "calculatedcontent":
			c = r.content(calculated, body)
		default:
			r.wrong(v, "there is no template type %q for device content", kind)
			continue
		}
		out = append(out, c)
	}
	return out
}

// contentMembers are what a template of device content may say.
func contentMembers(k contentKind) []string {
	names := []string{"typeName", "typeMatchExpression", "patientIdExpression", "encounterIdExpression", "correlationIdExpression", "values"}
	if k == jsonPath || k == calculated {
		names = append(names, "deviceIdExpression", "timestampExpression")
	}
	if k == calculated {
		names = append(names, "defaultExpressionLanguage")
	}
	return names
}

// content reads one template.
func (r *reader) content(k contentKind, v *jsontree.Value) *content {
	c := &content{kind: k, at: v}
	o, ok := r.object(v, "a template of device content", contentMembers(k)...)
	if !ok {
		return c
	}
	c.typeName = o.text("typeName", true)
	language := "jsonpath"
	if k == calculated && o.members["defaultExpressionLanguage"] != nil {
		language = o.language("defaultExpressionLanguage")
	}
	c.match = o.expression("typeMatchExpression", language, k, true)
	c.patient = o.expression("patientIdExpression", language, k, false)
	c.encounter = o.expression("encounterIdExpression", language, k, false)
	c.relation = o.expression("correlationIdExpression", language, k, false)
	switch k {
	case iotHub:
		c.device = paths("$.SystemProperties.iothub-connection-device-id")
		c.timestamp = paths("$.Properties.iothub-creation-time-utc", "$.SystemProperties.iothub-enqueuedtime")
	case iotCentral:
		c.device, c.timestamp = paths("$.deviceId"), paths("$.enqueuedTime")
	case jsonPath, calculated:
		c.device = []*expression{o.expression("deviceIdExpression", language, k, true)}
		c.timestamp = []*expression{o.expression("timestampExpression", language, k, true)}
	}
	for _, item := range o.list("values", false) {
		w, ok := r.object(item, "a value", "valueName", "valueExpression", "required")
		if !ok {
			continue
		}
		c.values = append(c.values, valueOf{
			name: w.text("valueName", true), required: w.flag("required"),
			expr: w.expression("valueExpression", language, k, true),
		})
	}
	return c
}

// paths makes expressions of paths that stand in this package.
func paths(texts ...string) []*expression {
	var out []*expression
	for _, t := range texts {
		p, err := jsonquery.Parse(t)
		if err != nil {
			panic("iomt: " + err.Error())
		}
		out = append(out, &expression{text: t, path: p})
	}
	return out
}

// language reads the name of an expression language.
func (o *object) language(name string) string {
	text := strings.ToLower(o.text(name, true))
	if text != "jsonpath" && text != "jmespath" && text != "" {
		o.r.wrong(o.members[name], "there is no expression language %q; there are JsonPath and JmesPath", o.members[name].Text)
	}
	return text
}

// expression reads an expression: a text, or in calculated content an object
// with the language beside it.
func (o *object) expression(name, language string, k contentKind, required bool) *expression {
	v := o.members[name]
	holder := o
	at := name
	if v != nil && v.Kind == jsontree.Object && k == calculated {
		inner, _ := o.r.object(v, name, "value", "language")
		if inner.members["language"] != nil {
			language = inner.language("language")
		}
		holder, at = &inner, "value"
		required = true
	}
	text := holder.text(at, required)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	e := &expression{text: text}
	var err error
	if language == "jmespath" {
		e.jmes, err = jmespath.Parse(text, functions()...)
	} else {
		e.path, err = jsonquery.Parse(text)
	}
	if err != nil {
		o.r.wrong(holder.members[at], "%s: %v", name, err)
		return nil
	}
	return e
}
