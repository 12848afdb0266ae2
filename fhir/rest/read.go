package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// read is GET of a resource or of one of its versions (http.html#read, #vread,
// #cread).
func (s *Server) read(ctx context.Context, c *call) (*answer, error) {
	r, err := s.fetch(ctx, c.typ, c.id, c.version)
	if err != nil {
		return nil, err
	}
	version := versionText(r.Version)
	switch {
	case r.Deleted:
		return nil, Refuse(http.StatusGone, "deleted", "this %s was deleted", c.typ)
	case c.unchanged(version, r.Changed):
		return &answer{status: http.StatusNotModified, version: version, changed: r.Changed}, nil
	}
	return &answer{status: http.StatusOK, typ: r.Type, body: r.Body, version: version, changed: r.Changed}, nil
}

// fetch returns a resource, or one version of it: what was written comes before
// what is shown.
func (s *Server) fetch(ctx context.Context, typ, id, version string) (vigil.Resource, error) {
	if !vigil.ValidID(id) {
		return vigil.Resource{}, s.absent(typ)
	}
	var n int64
	var r vigil.Resource
	var err error
	if version == "" {
		r, err = s.c.Record.Resource(ctx, typ, id)
	} else {
		if n, err = strconv.ParseInt(version, 10, 64); err != nil || n <= 0 {
			return r, notFound("there is no such version")
		}
		r, err = s.c.Record.ResourceVersion(ctx, typ, id, n)
	}
	if vigil.KindOf(err) == vigil.NotFound && err != nil {
		return s.shown(ctx, typ, id, n)
	}
	return r, err
}

func (s *Server) absent(typ string) error { return notFound("there is no %s with this id", typ) }

// shown returns what a source shows; version 0 is the newest.
func (s *Server) shown(ctx context.Context, typ, id string, version int64) (vigil.Resource, error) {
	for _, src := range s.sourcesOf(typ) {
		r, err := src.Read(ctx, typ, id, version)
		if err == nil || vigil.KindOf(err) != vigil.NotFound {
			return r, err
		}
	}
	return vigil.Resource{}, s.absent(typ)
}

// sourcesOf are the sources of a type.
func (s *Server) sourcesOf(typ string) []Source {
	var out []Source
	for _, src := range s.c.Sources {
		if slices.Contains(src.Types(), typ) {
			out = append(out, src)
		}
	}
	return out
}
