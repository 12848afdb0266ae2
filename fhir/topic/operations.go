package topic

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Operations returns those of the guide: $status, $events and
// $get-ws-binding-token.
func (d *Desk) Operations() []rest.Operation {
	of := []string{"Subscription"}
	const definition = guide + "OperationDefinition/backport-subscription-"
	return []rest.Operation{
		{Name: "status", Definition: definition + "status", Types: of, Type: true, Instance: true, Handle: d.status},
		{Name: "events", Definition: definition + "events", Types: of, Instance: true, Handle: d.events},
		{Name: "get-ws-binding-token", Definition: definition + "get-ws-binding-token", Types: of, Type: true, Instance: true, Handle: d.bindingToken},
	}
}

// maxEvents is how many events $events gives at once, and maxAsked how many
// subscriptions $status speaks of.
const (
	maxEvents = 1000
	maxAsked  = 1000
)

// argument returns the values of a parameter, of the address and of the body.
func argument(in *rest.Invocation, name string) []string {
	out := slices.Clone(in.Query[name])
	if in.Body == nil {
		return out
	}
	for p := range in.Body.Root().Get("parameter").Items() {
		if p.Get("name").Text() != name {
			continue
		}
		for member, v := range p.Members() {
			if len(member) > 5 && member[:5] == "value" {
				out = append(out, v.Text())
			}
		}
	}
	return out
}

// one reads a kept Subscription.
func (d *Desk) one(ctx context.Context, id string) (*subscription, error) {
	r, err := d.c.Record.Resource(ctx, "Subscription", id)
	if err == nil && r.Deleted {
		err = rest.Refuse(http.StatusGone, "deleted", "this Subscription was deleted")
	}
	if err != nil {
		return nil, err
	}
	s, _, err := d.parse(ctx, r)
	return s, err
}

// asked reads the subscriptions that an operation is about: one by its address,
// those with some ids, or all.
func (d *Desk) asked(ctx context.Context, in *rest.Invocation) ([]*subscription, error) {
	ids := argument(in, "id")
	if in.ID != "" {
		ids = []string{in.ID}
	}
	if len(ids) > maxAsked {
		return nil, rest.Refuse(http.StatusBadRequest, "too-costly", "at most %d ids", maxAsked)
	}
	var out []*subscription
	for _, id := range ids {
		s, err := d.one(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(ids) > 0 {
		return out, nil
	}
	hits, err := d.c.Record.SelectResources(ctx, vigil.ResourceQuery{Types: []string{"Subscription"}, Bodies: true, Limit: maxAsked})
	if err != nil {
		return nil, err
	}
	for _, h := range hits {
		s, _, err := d.parse(ctx, h.Resource)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// status is $status: how subscriptions are.
func (d *Desk) status(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	list, err := d.asked(ctx, in)
	if err != nil {
		return nil, err
	}
	if wanted := argument(in, "status"); in.ID == "" && len(wanted) > 0 {
		list = slices.DeleteFunc(list, func(s *subscription) bool { return !slices.Contains(wanted, s.status) })
	}
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Bundle").Text("id", vigil.NewID(in.Now.Time())).Text("type", "searchset").Text("timestamp", in.Now.String())
	w.Name("total").Word(strconv.Itoa(len(list)))
	if len(list) > 0 {
		w.Name("entry").Array()
	}
	for _, s := range list {
		n, err := d.c.Log.NoticeLine(ctx, s.id)
		if err != nil && vigil.KindOf(err) != vigil.NotFound {
			return nil, err
		}
		id := vigil.NewID(in.Now.Time())
		w.Object().Text("fullUrl", "urn:uuid:"+id).Name("resource")
		say := notification{sub: s, base: in.Base, kind: queryStatus, status: s.status, count: n.Events, level: idOnly, now: in.Now}
		say.parameters(w, id)
		w.Name("search").Object().Text("mode", "match").End().End()
	}
	if len(list) > 0 {
		w.End()
	}
	w.End()
	return &rest.Result{Body: w.Bytes()}, nil
}

// events is $events: what has happened, as a notification.
func (d *Desk) events(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	s, err := d.one(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	from, err := number(in, "eventsSinceNumber", 1)
	if err != nil {
		return nil, err
	}
	upTo, err := number(in, "eventsUntilNumber", math.MaxInt64)
	if err != nil {
		return nil, err
	}
	level := cmp.Or(s.content, idOnly)
	if c := argument(in, "content"); len(c) > 0 {
		// More than the subscription itself shows is not shown here either.
		order := []string{empty, idOnly, full}
		if !slices.Contains(order, c[0]) {
			return nil, rest.Refuse(http.StatusBadRequest, "value", "content is empty, id-only or full-resource")
		}
		level = order[min(slices.Index(order, c[0]), slices.Index(order, level))]
	}
	n, err := d.c.Log.NoticeLine(ctx, s.id)
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return nil, err
	}
	list, err := d.load(ctx, s.id, level, from, upTo, maxEvents)
	if err != nil {
		return nil, err
	}
	say := notification{sub: s, base: in.Base, kind: queryEvent, status: s.status, count: n.Events, events: list, level: level, now: in.Now}
	return &rest.Result{Body: say.bundle()}, nil
}

// number reads the number of an event.
func number(in *rest.Invocation, name string, none int64) (int64, error) {
	v := argument(in, name)
	if len(v) == 0 {
		return none, nil
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	if err != nil || n < 0 {
		return 0, rest.Refuse(http.StatusBadRequest, "value", "%s is the number of an event", name)
	}
	return n, nil
}

// bindingToken is $get-ws-binding-token: a proof for a WebSocket, where there is
// no other.
func (d *Desk) bindingToken(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	list, err := d.asked(ctx, in)
	if err != nil {
		return nil, err
	}
	if in.ID == "" && len(argument(in, "id")) == 0 {
		list = slices.DeleteFunc(list, func(s *subscription) bool { return s.channel != webSocket || s.status == off })
	}
	var ids []string
	for _, s := range list {
		if s.channel != webSocket {
			return nil, rest.Refuse(http.StatusUnprocessableEntity, "business-rule", "the channel of the Subscription %s is no websocket", s.id)
		}
		if s.status == off {
			return nil, rest.Refuse(http.StatusUnprocessableEntity, "business-rule", "the Subscription %s is off", s.id)
		}
		ids = append(ids, s.id)
	}
	if len(ids) == 0 || len(ids) > maxBound {
		return nil, rest.Refuse(http.StatusUnprocessableEntity, "business-rule", "a token is for 1 to %d subscriptions with a websocket", maxBound)
	}
	token, until := d.token(ids, in.Now)
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Parameters").Name("parameter").Array()
	w.Object().Text("name", "token").Text("valueString", token).End()
	w.Object().Text("name", "expiration").Text("valueDateTime", until.String()).End()
	for _, id := range ids {
		w.Object().Text("name", "subscription").Text("valueString", id).End()
	}
	w.Object().Text("name", "websocket-url").Text("valueUrl", socketAddress(in.Base)).End()
	w.End().End()
	return &rest.Result{Body: w.Bytes()}, nil
}
