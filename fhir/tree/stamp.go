package tree

// A Stamp is what the server says of a version of a resource (FHIR R4 §2.27.3.1
// and §3.1.0.1.5). What is empty is left out.
type Stamp struct {
	ID      string
	Version string // meta.versionId
	Updated string // meta.lastUpdated
}

// Apply writes a resource with the stamp in the place where the record keeps
// it: {"resourceType":…,"id":…,"meta":{"versionId":…,"lastUpdated":…, and then
// everything else as it was, byte for byte; other members of meta stay, too.
// The root must be an object with a resourceType.
func (s Stamp) Apply(d *Doc) []byte {
	root := d.Root()
	b := make([]byte, 0, len(d.src)+160)
	b = append(b, '{')
	if kind := root.Get("resourceType"); kind.Ok() {
		b = append(append(b, `"resourceType":`...), kind.Raw()...)
	}
	if s.ID != "" {
		b = AppendString(append(separate(b), `"id":`...), s.ID)
	}
	b = s.meta(b, root.Get("meta"))
	p := pieces{d: d, child: 1, end: uint32(len(d.tape)), from: d.tape[0].off + 1}
	var tail []byte
	for p.next() {
		tail = p.tail
		switch d.name(&d.tape[p.at]) {
		case "resourceType", "id", "meta":
			continue
		}
		b = append(separate(b), p.whole()...)
		if !p.last() {
			b = append(b, p.tail...)
		}
	}
	return append(append(b, tail...), '}')
}

// meta writes the member meta, when anything is in it.
func (s Stamp) meta(b []byte, old Node) []byte {
	start := len(b)
	b = append(separate(b), `"meta":{`...)
	empty := len(b)
	if s.Version != "" {
		b = AppendString(append(b, `"versionId":`...), s.Version)
	}
	if s.Updated != "" {
		b = AppendString(append(separate(b), `"lastUpdated":`...), s.Updated)
	}
	for name, v := range old.Members() {
		if name == "versionId" || name == "lastUpdated" {
			continue
		}
		b = append(AppendString(separate(b), name), ':')
		b = append(b, v.Raw()...)
	}
	if len(b) == empty {
		return b[:start]
	}
	return append(b, '}')
}

// separate appends a comma where a member was written before.
func separate(b []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return b
}
