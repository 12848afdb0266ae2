package check

import "strings"

// A Reference is the text of a literal reference in its parts (R4
// references.html section 2.3.0.1).
type Reference struct {
	Base     string // https://example.org/fhir/ when absolute and of the RESTful form
	Type, ID string // "" when it is not of that form
	Version  string
	Query    string // of a conditional reference: Patient?identifier=…
	Absolute bool
}

// ParseReference takes a reference apart. It is false when the text is neither
// an absolute address nor Type/id, Type/id/_history/version or, as transactions
// have it, Type?query. Fragments are not for it.
func ParseReference(s string) (Reference, bool) {
	var r Reference
	path := s
	if scheme(s) {
		r.Absolute = true
		if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
			return r, true // urn:uuid:, urn:oid:, ftp: …
		}
		path, _, _ = strings.Cut(path, "#")
	} else if of, query, ok := strings.Cut(s, "?"); ok {
		r.Type, r.Query = of, query
		return r, typeName(of) && query != ""
	}
	parts := path
	if i := strings.Index(path, "/_history/"); i >= 0 {
		parts, r.Version = path[:i], path[i+len("/_history/"):]
		if !isID([]byte(r.Version)) {
			return Reference{Absolute: r.Absolute}, r.Absolute
		}
	}
	slash := strings.LastIndexByte(parts, '/')
	if slash < 0 {
		return Reference{Absolute: r.Absolute}, r.Absolute
	}
	rest, id := parts[:slash], parts[slash+1:]
	start := strings.LastIndexByte(rest, '/') + 1
	if !isID([]byte(id)) || !typeName(rest[start:]) || !r.Absolute && start > 0 {
		return Reference{Absolute: r.Absolute}, r.Absolute
	}
	r.Base, r.Type, r.ID = rest[:start], rest[start:], id
	return r, true
}

// scheme tells whether an address begins with a scheme (RFC 3986 section 3.1).
func scheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c == ':' {
			return i > 0
		}
		if !alphanumeric(c) && (i == 0 || c != '+' && c != '-' && c != '.') || i == 0 && c <= '9' {
			return false
		}
	}
	return false
}

// typeName tells whether a name could be that of a resource type.
func typeName(s string) bool {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) {
			return false
		}
	}
	return true
}
