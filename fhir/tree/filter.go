package tree

// A Keep says of a member whether it stays, and what stays within it: with no
// inner Keep all of it. The objects in an array are each asked for.
type Keep func(name string, value Node) (stays bool, inner Keep)

// Filter writes a value with only those members that keep lets stay, as they
// were written. Objects that become empty stay as {}.
func Filter(n Node, keep Keep) []byte {
	return appendFiltered(make([]byte, 0, len(n.Raw())), n, keep)
}

func appendFiltered(b []byte, n Node, keep Keep) []byte {
	switch {
	case keep == nil || n.Kind() != Object && n.Kind() != Array:
		return append(b, n.Raw()...)
	case n.Kind() == Array:
		b = append(b, '[')
		first := true
		for item := range n.Items() {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendFiltered(b, item, keep)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	first := true
	for name, v := range n.Members() {
		stays, inner := keep(name, v)
		if !stays {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendFiltered(append(AppendString(b, name), ':'), v, inner)
	}
	return append(b, '}')
}

// Compact appends a value without the white space between its parts; texts and
// numbers stay as they were written.
func Compact(b []byte, n Node) []byte {
	if n.doc == nil {
		return b
	}
	raw := n.Raw()
	start := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		case ' ', '\n', '\r', '\t':
			b = append(b, raw[start:i]...)
			start = i + 1
		}
	}
	return append(b, raw[start:]...)
}
