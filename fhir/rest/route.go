package rest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A step is what an address and a method lead to: the action that policy is
// asked for, and what answers.
type step struct {
	action string
	run    func(context.Context, *call) (*answer, error)
	writes bool // it may change the record
}

// name is the whole name of the action: fhir.patient.read for what looks,
// record.patient.create for what changes something.
func (s step) name() vigil.Action {
	if s.writes {
		return vigil.Action("record." + s.action)
	}
	return vigil.Action("fhir." + s.action)
}

// maxSegments bounds the parts of an address.
const maxSegments = 8

// segments cuts the path of an address, which may begin with the base, into
// its parts.
func segments(path string) ([]string, error) {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil, nil
	}
	parts := strings.SplitN(path, "/", maxSegments+1)
	if len(parts) > maxSegments {
		return nil, nowhere()
	}
	for i, p := range parts {
		q, err := url.PathUnescape(p)
		if err != nil || q == "" {
			return nil, nowhere()
		}
		parts[i] = q
	}
	return parts, nil
}

func nowhere() error {
	return notSupported(http.StatusNotFound, "there is nothing at this address")
}

// A table maps methods to steps; HEAD is what GET is.
type table map[string]step

// pick takes the step of a method, or refuses the method and names those that
// there are.
func (c *call) pick(t table) (step, error) {
	m := c.method
	if m == http.MethodHead {
		m = http.MethodGet
	}
	if st, ok := t[m]; ok {
		return st, nil
	}
	var allowed []string
	for m := range t {
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	if c.w != nil {
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
	}
	return step{}, notSupported(http.StatusMethodNotAllowed, "%s is not supported here; %s are", clip(c.method), strings.Join(allowed, ", "))
}

// route finds out what is asked for (http.html#summary).
func (s *Server) route(c *call) (step, error) {
	p := c.path
	switch {
	case len(p) == 0:
		return c.pick(table{
			http.MethodGet:  {"system.search", s.search, false},
			http.MethodPost: {"system.bundle", s.bundle, false},
		})
	case p[0] == "metadata" && len(p) == 1:
		return c.pick(table{http.MethodGet: {"metadata", s.metadata, false}})
	case p[0] == "_search" && len(p) == 1:
		return c.pick(table{http.MethodPost: {"system.search", s.search, false}})
	case p[0] == "_history" && len(p) == 1:
		return c.pick(table{http.MethodGet: {"system.history", s.history, false}})
	case p[0][0] == '$':
		return s.operate(c, "system", p[0])
	}
	if !s.known(p[0]) && (len(p) != 2 || p[1][0] != '$' || !s.named(p[0])) {
		return step{}, notSupported(http.StatusNotFound, "%s is no type of resource in FHIR R4", clip(p[0]))
	}
	c.typ = p[0]
	if len(p) == 1 {
		return s.routeType(c)
	}
	action := strings.ToLower(c.typ) + "."
	switch {
	case p[1] == "_search" && len(p) == 2:
		return c.pick(table{http.MethodPost: {action + "search", s.search, false}})
	case p[1] == "_history" && len(p) == 2:
		return c.pick(table{http.MethodGet: {action + "history", s.history, false}})
	case p[1][0] == '$' && len(p) == 2:
		return s.operate(c, "type", p[1])
	}
	c.id = p[1]
	return s.routeInstance(c, action, p[2:])
}

// routeType is for addresses that name a type only.
func (s *Server) routeType(c *call) (step, error) {
	action := strings.ToLower(c.typ) + "."
	if c.method == http.MethodPost { // the most frequent ones first
		return step{action + "create", s.create, true}, nil
	}
	return c.pick(table{
		http.MethodGet:    {action + "search", s.search, false},
		http.MethodPost:   {action + "create", s.create, true},
		http.MethodPut:    {action + "update", s.updateWhere, true},
		http.MethodPatch:  {action + "patch", s.patchWhere, true},
		http.MethodDelete: {action + "delete", s.deleteWhere, true},
	})
}

// routeInstance is for addresses below one resource.
func (s *Server) routeInstance(c *call, action string, rest []string) (step, error) {
	switch {
	case (len(rest) == 0 || rest[0] == "_history" && len(rest) == 2) && c.method == http.MethodGet && c.wantsContent():
		if c.unspoken = nil; len(rest) == 2 {
			c.version = rest[1]
		}
		return step{action + "read", s.readContent, false}, nil
	case len(rest) == 0 && c.method == http.MethodGet:
		return step{action + "read", s.read, false}, nil
	case len(rest) == 0:
		return c.pick(table{
			http.MethodGet:    {action + "read", s.read, false},
			http.MethodPut:    {action + "update", s.update, true},
			http.MethodPatch:  {action + "patch", s.patch, true},
			http.MethodDelete: {action + "delete", s.delete, true},
		})
	case rest[0] == "_history" && len(rest) == 1:
		return c.pick(table{http.MethodGet: {action + "read", s.history, false}})
	case rest[0] == "_history" && len(rest) == 2:
		c.version = rest[1]
		return c.pick(table{http.MethodGet: {action + "read", s.read, false}})
	case rest[0][0] == '$' && len(rest) == 1:
		return s.operate(c, "instance", rest[0])
	case s.compartment(c.typ) && (rest[0] == "*" || s.known(rest[0])):
		return s.routeCompartment(c, rest)
	}
	return step{}, nowhere()
}

// routeCompartment is for searches within a compartment (search.html, variant
// searches): Patient/1/Observation, Patient/1/*.
func (s *Server) routeCompartment(c *call, rest []string) (step, error) {
	action := "system.search"
	if rest[0] != "*" {
		action = strings.ToLower(rest[0]) + ".search"
	}
	switch {
	case len(rest) == 1:
		return c.pick(table{http.MethodGet: {action, s.search, false}})
	case len(rest) == 2 && rest[1] == "_search":
		return c.pick(table{http.MethodPost: {action, s.search, false}})
	}
	return step{}, nowhere()
}

// do answers a call: what it asks for, whether it may, then the interaction.
func (s *Server) do(ctx context.Context, c *call) (*answer, error) {
	st, err := s.route(c)
	if c.unspoken != nil {
		return nil, c.unspoken
	}
	if err != nil {
		return nil, err
	}
	if err := s.permit(ctx, c, st); err != nil {
		return nil, err
	}
	return st.run(ctx, c)
}

// permit asks the policy. Every write has somebody who does it.
func (s *Server) permit(ctx context.Context, c *call, st step) error {
	if st.writes && c.actor.ID == "" {
		return vigil.Errorf(vigil.Unknown, "nobody knows who writes this")
	}
	if s.c.Permit == nil {
		return nil
	}
	return s.c.Permit(ctx, st.name())
}
