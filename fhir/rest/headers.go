package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// etag writes the version of a resource (http.html#versioning).
func etag(version string) string { return `W/"` + version + `"` }

// versionTag is etag for a version that is a number.
func versionTag(version int64) string { return etag(strconv.FormatInt(version, 10)) }

// tags reads a list of entity tags: W/"3", "x". Weak and strong ones mean the
// same here; a bare version is taken for one, too.
func tags(header string) (versions []string, all bool) {
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		switch t = strings.Trim(t, `"`); t {
		case "":
		case "*":
			all = true
		default:
			versions = append(versions, t)
		}
	}
	return versions, all
}

// hasTag tells whether a header names a version.
func hasTag(header, version string) bool {
	if header == "" {
		return false
	}
	versions, all := tags(header)
	for _, v := range versions {
		all = all || v == version
	}
	return all
}

// unchanged tells whether the client has this version already
// (http.html#cread). The time is looked at only where no tag was sent, and in
// whole seconds, as Last-Modified was.
func (c *call) unchanged(version string, changed vigil.Instant) bool {
	if c.ifNoneMatch != "" {
		return hasTag(c.ifNoneMatch, version)
	}
	since, err := httpDate(c.ifModifiedSince)
	return err == nil && changed != 0 && !changed.Time().Truncate(time.Second).After(since)
}

// httpDate reads the date of a header; in entries of Bundles it is an instant.
func httpDate(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return http.ParseTime(s)
}

// stands refuses a write whose If-Match names another version than the newest
// (http.html#concurrency), or whose If-None-Match: * finds something.
func (c *call) stands(version int64) error {
	if c.ifNoneMatch != "" && version > 0 && hasTag(c.ifNoneMatch, strconv.FormatInt(version, 10)) {
		return failedCondition("conflict", "there is a version that If-None-Match forbids")
	}
	if c.ifMatch == "" {
		return nil
	}
	if version == 0 {
		return failedCondition("conflict", "If-Match names a version, but there is none")
	}
	if !hasTag(c.ifMatch, strconv.FormatInt(version, 10)) {
		return failedCondition("conflict", "the newest version is %d, which is not the one that If-Match names", version)
	}
	return nil
}

// A preference is what a client says in Prefer (http.html#ops, search.html#errors).
type preference struct {
	give   string // minimal, representation, OperationOutcome or ""
	strict bool
	async  bool
}

// preferences reads all Prefer headers.
func preferences(lines []string) preference {
	var p preference
	for _, line := range lines {
		for part := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ';' }) {
			name, value, _ := strings.Cut(part, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "return":
				p.give = value
			case "handling":
				p.strict = value == "strict"
			case "respond-async":
				p.async = true
			}
		}
	}
	return p
}
