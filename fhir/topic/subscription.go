package topic

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// The extensions of the guide on Subscription
// (StructureDefinition-backport-subscription.html).
const (
	guide           = "http://hl7.org/fhir/uv/subscriptions-backport/"
	filterExtension = guide + "StructureDefinition/backport-filter-criteria"
	contentExt      = guide + "StructureDefinition/backport-payload-content"
	heartbeatExt    = guide + "StructureDefinition/backport-heartbeat-period"
	timeoutExt      = guide + "StructureDefinition/backport-timeout"
	maxCountExt     = guide + "StructureDefinition/backport-max-count"
	channelTypeExt  = guide + "StructureDefinition/backport-channel-type"
)

// The bounds of what a subscription may ask for.
const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 60 * time.Second
	defaultCount   = 100
	maxCount       = 1000
	minHeartbeat   = time.Second
	maxFilters     = 20
	maxHeaders     = 20
	maxHeader      = 8 << 10
)

// The statuses of a Subscription (valueset-subscription-status.html).
const (
	requested = "requested"
	active    = "active"
	failing   = "error"
	off       = "off"
)

// The kinds of channel that there are here.
const (
	restHook  = "rest-hook"
	webSocket = "websocket"
)

// The levels of content of a notification.
const (
	empty  = "empty"
	idOnly = "id-only"
	full   = "full-resource"
)

// A subscription is a Subscription as it was read.
type subscription struct {
	id       string
	version  int64
	written  int64
	status   string
	reason   string // Subscription.error
	body     []byte
	end      vigil.Instant
	criteria string
	topic    *Topic // nil: the criteria of R4 itself
	wants    []want

	channel   string
	endpoint  string
	headers   []string // as they are kept
	mime      string   // "" for none
	content   string
	heartbeat time.Duration
	timeout   time.Duration
	count     int // of events in one notification
}

// xml tells whether notifications are in XML.
func (s *subscription) xml() bool { return strings.Contains(s.mime, "xml") }

// A reader reads one Subscription and notes what is wrong with it.
type reader struct {
	desk   *Desk
	root   tree.Node
	issues []check.Issue
}

// wrong notes what is wrong with an element.
func (r *reader) wrong(n tree.Node, code, format string, args ...any) {
	i := check.Issue{Severity: check.Error, Code: code, Message: fmt.Sprintf(format, args...), Expression: "Subscription", Key: "subscription"}
	if n.Ok() {
		i.Line, i.Col = n.Pos()
		if p := n.Path(); p != "" {
			i.Expression += "." + p
		}
	}
	r.issues = append(r.issues, i)
}

// Check says what is wrong with a Subscription that is written: what is not said
// here is kept, and works. Other resources are right.
func (d *Desk) Check(ctx context.Context, doc *tree.Doc) []check.Issue {
	root := doc.Root()
	if root.Get("resourceType").Text() != "Subscription" || root.Get("status").Text() == off {
		return nil
	}
	_, issues := d.read(ctx, root)
	return issues
}

// read reads a Subscription.
func (d *Desk) read(ctx context.Context, root tree.Node) (*subscription, []check.Issue) {
	r := &reader{desk: d, root: root}
	s := &subscription{
		id: root.Get("id").Text(), status: root.Get("status").Text(), criteria: root.Get("criteria").Text(), reason: root.Get("error").Text(),
	}
	if end := root.Get("end"); end.Ok() {
		t, err := time.Parse(time.RFC3339Nano, end.Text())
		if err != nil {
			r.wrong(end, "value", "the end is no instant")
		} else {
			s.end = vigil.InstantOf(t)
		}
	}
	r.channel(s)
	r.wants(ctx, s)
	if len(r.issues) > 0 {
		return s, r.issues
	}
	for i := range s.wants {
		s.wants[i].limit()
	}
	return s, nil
}

// channel reads how notifications are brought.
func (r *reader) channel(s *subscription) {
	c := r.root.Get("channel")
	s.channel, s.endpoint, s.mime = c.Get("type").Text(), c.Get("endpoint").Text(), c.Get("payload").Text()
	if extension(c.Get("_type"), channelTypeExt).Ok() {
		r.wrong(c.Get("_type"), "not-supported", "the channels here are rest-hook and websocket")
	}
	switch s.channel {
	case restHook:
		if !c.Get("endpoint").Ok() {
			r.wrong(c, "required", "a rest-hook needs an endpoint")
		} else if err := r.desk.c.Endpoints.allow(s.endpoint); err != nil {
			r.wrong(c.Get("endpoint"), "security", "%s", err)
		}
	case webSocket:
		if c.Get("header").Ok() {
			r.wrong(c.Get("header"), "not-supported", "there are no headers on a WebSocket")
		}
	default:
		r.wrong(c.Get("type"), "not-supported", "the channels here are rest-hook and websocket")
	}
	switch kind, _, _ := strings.Cut(s.mime, ";"); strings.TrimSpace(kind) {
	case "", "application/fhir+json", "application/json", "application/fhir+xml", "application/xml":
	default:
		r.wrong(c.Get("payload"), "not-supported", "payloads are application/fhir+json or application/fhir+xml")
	}
	r.headers(s, c)
	s.content = extension(c.Get("_payload"), contentExt).Get("valueCode").Text()
	s.heartbeat = time.Duration(r.whole(c, heartbeatExt, "valueUnsignedInt", 0, 7*24*3600)) * time.Second
	s.timeout = min(maxTimeout, time.Duration(r.whole(c, timeoutExt, "valueUnsignedInt", int(defaultTimeout/time.Second), 1<<31-1))*time.Second)
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	s.count = min(maxCount, r.whole(c, maxCountExt, "valuePositiveInt", defaultCount, 1<<31-1))
}

// headers reads what is sent along with each notification.
func (r *reader) headers(s *subscription, c tree.Node) {
	if c.Get("header").Len() > maxHeaders {
		r.wrong(c.Get("header"), "too-long", "at most %d headers", maxHeaders)
		return
	}
	for h := range c.Get("header").Items() {
		name, value, ok := strings.Cut(h.Text(), ":")
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		switch {
		case !ok || !token(name) || strings.ContainsAny(value, "\r\n\x00") || len(value) > maxHeader:
			r.wrong(h, "value", "a header is a name, a colon and a value")
		case slices.Contains([]string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}, name):
			r.wrong(h, "security", "the header %s is the server's", name)
		default:
			if _, err := r.desk.vault.open(h.Text(), s.endpoint); err != nil {
				r.wrong(h, "security", "this header was sealed for another endpoint; give its value again")
			}
			s.headers = append(s.headers, h.Text())
		}
	}
}

// token tells whether s is the name of a header (RFC 9110 §5.6.2).
func token(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}) < 0
}

// whole reads a number out of an extension.
func (r *reader) whole(of tree.Node, url, name string, none, most int) int {
	x := extension(of, url)
	if !x.Ok() {
		return none
	}
	n, err := strconv.Atoi(x.Get(name).Text())
	if err != nil || n < 0 || n > most {
		r.wrong(x, "value", "%s is a whole number up to %d", name, most)
		return none
	}
	return n
}

// extension finds an extension of an element.
func extension(of tree.Node, url string) tree.Node {
	for x := range of.Get("extension").Items() {
		if x.Get("url").Text() == url {
			return x
		}
	}
	return tree.Node{}
}
