package topic

import (
	"context"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// The types of notification (R5 subscription-notification-type).
const (
	handshake   = "handshake"
	heartbeat   = "heartbeat"
	event       = "event-notification"
	queryStatus = "query-status"
	queryEvent  = "query-event"
)

// A notice is an event with the resource that it is about, when that is shown.
type notice struct {
	vigil.Notice
	body []byte
}

// A notification is what is said at once to who listens.
type notification struct {
	sub    *subscription
	base   string
	kind   string
	status string // of the subscription
	count  int64  // of its events so far
	events []notice
	level  string // how much is said of the events
	now    vigil.Instant
}

// bundle writes the notification: a history of which the first entry says how
// the subscription is (StructureDefinition-backport-subscription-notification-r4.html).
func (n *notification) bundle() []byte {
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Bundle").Text("id", vigil.NewID(n.now.Time()))
	w.Name("meta").Object().Name("profile").Array().String(guide + "StructureDefinition/backport-subscription-notification-r4").End().End()
	w.Text("type", "history").Text("timestamp", n.now.String())
	w.Name("entry").Array().Object()
	id := vigil.NewID(n.now.Time())
	w.Text("fullUrl", "urn:uuid:"+id).Name("resource")
	n.parameters(w, id)
	w.Name("request").Object().Text("method", "GET").Text("url", n.address("Subscription", n.sub.id)+"/$status").End()
	w.Name("response").Object().Text("status", "200").End().End()
	if n.level == full {
		for i := range n.events {
			n.entry(w, &n.events[i])
		}
	}
	w.End().End()
	return w.Bytes()
}

// address is the address of a resource.
func (n *notification) address(typ, id string) string {
	if n.base == "" {
		return typ + "/" + id
	}
	return n.base + "/" + typ + "/" + id
}

// parameters writes how the subscription is, with the events
// (StructureDefinition-backport-subscription-status-r4.html).
func (n *notification) parameters(w *tree.Writer, id string) {
	w.Object().Text("resourceType", "Parameters").Text("id", id)
	w.Name("meta").Object().Name("profile").Array().String(guide + "StructureDefinition/backport-subscription-status-r4").End().End()
	w.Name("parameter").Array()
	w.Object().Text("name", "subscription").Name("valueReference").Object().Text("reference", n.address("Subscription", n.sub.id)).End().End()
	if n.sub.topic != nil && n.level != empty {
		w.Object().Text("name", "topic").Text("valueCanonical", n.sub.topic.URL()).End()
	}
	w.Object().Text("name", "status").Text("valueCode", n.status).End()
	w.Object().Text("name", "type").Text("valueCode", n.kind).End()
	w.Object().Text("name", "events-since-subscription-start").Text("valueString", strconv.FormatInt(n.count, 10)).End()
	for i := range n.events {
		e := &n.events[i]
		w.Object().Text("name", "notification-event").Name("part").Array()
		w.Object().Text("name", "event-number").Text("valueString", strconv.FormatInt(e.Number, 10)).End()
		w.Object().Text("name", "timestamp").Text("valueInstant", e.At.String()).End()
		if n.level != empty {
			w.Object().Text("name", "focus").Name("valueReference").Object().Text("reference", n.address(e.Type, e.ID)).End().End()
		}
		w.End().End()
	}
	if n.sub.reason != "" && n.status == failing {
		w.Object().Text("name", "error").Name("valueCodeableConcept").Object().Text("text", n.sub.reason).End().End()
	}
	w.End().End()
}

// entry writes the entry of a resource: what was asked, and what came of it.
func (n *notification) entry(w *tree.Writer, e *notice) {
	method, status, at := "PUT", "200", e.Type+"/"+e.ID
	switch {
	case e.Cause == vigil.NoticeDelete:
		method, status = "DELETE", "204"
	case e.Cause == vigil.NoticeCreate:
		method, status, at = "POST", "201", e.Type
	}
	w.Object().Text("fullUrl", n.address(e.Type, e.ID))
	if e.body != nil {
		w.Member("resource", e.body)
	} else if e.Cause != vigil.NoticeDelete {
		method, status, at = "GET", "410", e.Type+"/"+e.ID
	}
	w.Name("request").Object().Text("method", method).Text("url", at).End()
	w.Name("response").Object().Text("status", status).End().End()
}

// pack writes a resource in the form that a subscription asks for.
func (d *Desk) pack(s *subscription, body []byte) ([]byte, error) {
	if !s.xml() {
		return body, nil
	}
	doc, err := tree.Parse(body)
	if err != nil {
		return nil, vigil.Errorf(vigil.Internal, "a notification is no JSON: %w", err)
	}
	return xmlform.XML(d.engine().Schema(), doc.Root(), false)
}

// load reads kept events from a number up to another, with the resources where
// the level asks for them.
func (d *Desk) load(ctx context.Context, id, level string, from, upTo int64, limit int) ([]notice, error) {
	list, err := d.c.Log.Notices(ctx, id, from, upTo, limit)
	if err != nil {
		return nil, err
	}
	out := make([]notice, len(list))
	size := 0
	for i, n := range list {
		out[i].Notice = n
		if level != full || n.Cause == vigil.NoticeDelete {
			continue
		}
		r, err := d.version(ctx, n.Type, n.ID, n.Version)
		if err != nil && vigil.KindOf(err) != vigil.NotFound {
			return nil, err
		}
		out[i].body = r.Body
		if size += len(r.Body); size > maxBundle {
			return out[:i+1], nil
		}
	}
	return out, nil
}

// maxBundle is about how long a notification may get.
const maxBundle = 8 << 20

// version reads a version of a resource, from the record or of what is shown
// without being kept.
func (d *Desk) version(ctx context.Context, typ, id string, version int64) (vigil.Resource, error) {
	r, err := d.c.Record.ResourceVersion(ctx, typ, id, version)
	if d.c.Show == nil || err == nil || vigil.KindOf(err) != vigil.NotFound {
		return r, err
	}
	return d.c.Show(ctx, typ, id, version)
}

// contentType is what a notification says of its form.
func (s *subscription) contentType() string {
	if s.mime == "" {
		return "application/fhir+json"
	}
	return s.mime
}
