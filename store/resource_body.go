package store

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// resourceDict is what resources usually say, by which their bodies are
// compressed. It never changes: another one gets another format.
//
//go:embed resource.dict
var resourceDict []byte

// resourcePacker returns the dictionary in the form that compression needs.
var resourcePacker = sync.OnceValue(func() *s2.Dict {
	return s2.MakeDictManual(resourceDict, 0)
})

// The first byte of a body before it is sealed says what follows: the bytes as
// they are, or compressed with the first dictionary, there perhaps with ids
// folded. Entropy coding (zstd) would save another tenth and costs ten times as
// much.
const (
	bodyRaw    = 0
	bodyPacked = 1
	bodyFolded = 2
)

// What stands for an id in a folded body: the resource's own, its owner's, or
// the 16 bytes of another UUID. JSON has none of these bytes.
const (
	foldedSelf  = 1
	foldedOwner = 2
	foldedUUID  = 3
)

// largestBody bounds what a stored body may unpack to.
const largestBody = 1 << 30

const uuidText = 36

// packBody appends the packed form of a body to dst. Self and owner are ids
// that it is likely to name.
func packBody(dst, body []byte, self, owner string) []byte {
	format := byte(bodyFolded)
	text, ok := foldUUIDs(make([]byte, 0, len(body)+16), body, self, owner)
	if !ok {
		format, text = bodyPacked, body
	}
	packed := resourcePacker().Encode(nil, text)
	if len(packed) >= len(body) {
		return append(append(dst, bodyRaw), body...)
	}
	return append(append(dst, format), packed...)
}

// unpackBody returns a body that packBody has packed.
func unpackBody(packed []byte, self, owner string) ([]byte, error) {
	if len(packed) == 0 {
		return nil, errors.New("empty body")
	}
	format, data := packed[0], packed[1:]
	if format == bodyRaw {
		return bytes.Clone(data), nil
	}
	if format != bodyPacked && format != bodyFolded {
		return nil, fmt.Errorf("body has format %d", format)
	}
	if n, err := s2.DecodedLen(data); err != nil || n > largestBody {
		return nil, fmt.Errorf("body unpacks to %d bytes: %w", n, err)
	}
	text, err := resourcePacker().Decode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("unpack body: %w", err)
	}
	if format == bodyPacked {
		return text, nil
	}
	return unfoldUUIDs(make([]byte, 0, len(text)+3*uuidText), text, self, owner)
}

// foldUUIDs appends text with its UUIDs folded; false when it has bytes that
// would be taken for folded ones.
func foldUUIDs(dst, text []byte, self, owner string) ([]byte, bool) {
	done := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= foldedSelf && c <= foldedUUID:
			return nil, false
		case c != '-' || i < done+8 || i+28 > len(text) || text[i+5] != '-' || text[i+10] != '-' || text[i+15] != '-':
			continue
		}
		at := i - 8
		raw, ok := uuidBytes(text[at : at+uuidText])
		if !ok {
			continue
		}
		dst = append(dst, text[done:at]...)
		switch name := string(text[at : at+uuidText]); name {
		case self:
			dst = append(dst, foldedSelf)
		case owner:
			dst = append(dst, foldedOwner)
		default:
			dst = append(append(dst, foldedUUID), raw[:]...)
		}
		done = at + uuidText
		i = done - 1
	}
	return append(dst, text[done:]...), true
}

// unfoldUUIDs appends folded text as it was.
func unfoldUUIDs(dst, text []byte, self, owner string) ([]byte, error) {
	for len(text) > 0 {
		i := bytes.IndexAny(text, "\x01\x02\x03")
		if i < 0 {
			return append(dst, text...), nil
		}
		dst = append(dst, text[:i]...)
		what := text[i]
		text = text[i+1:]
		switch {
		case what == foldedSelf:
			dst = append(dst, self...)
		case what == foldedOwner:
			dst = append(dst, owner...)
		case len(text) < 16:
			return nil, errors.New("folded id is cut off")
		default:
			dst = appendUUID(dst, text[:16])
			text = text[16:]
		}
	}
	return dst, nil
}

// uuidBytes returns the bytes of a UUID in its usual form, in lower case; false
// when the text is none.
func uuidBytes(text []byte) (raw [16]byte, ok bool) {
	if len(text) != uuidText || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return raw, false
	}
	n := 0
	for i := 0; i < uuidText; i += 2 {
		if text[i] == '-' {
			i++
		}
		hi, lo := hexDigit(text[i]), hexDigit(text[i+1])
		if hi|lo > 15 {
			return raw, false
		}
		raw[n] = hi<<4 | lo
		n++
	}
	return raw, true
}

// hexDigit returns the value of a digit, a greater number than 15 for what is
// none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// appendUUID appends the usual form of a UUID.
func appendUUID(dst, raw []byte) []byte {
	dst = append(hex.AppendEncode(dst, raw[:4]), '-')
	dst = append(hex.AppendEncode(dst, raw[4:6]), '-')
	dst = append(hex.AppendEncode(dst, raw[6:8]), '-')
	dst = append(hex.AppendEncode(dst, raw[8:10]), '-')
	return hex.AppendEncode(dst, raw[10:16])
}

// uuidMark begins the stored form of an id that is a UUID: 16 bytes follow. No
// other id begins with it.
const uuidMark = 1

// packID returns the stored form of an id. Among those that are UUIDs and among
// the others the order of the text is kept.
func packID(id string) []byte {
	if raw, ok := uuidBytes([]byte(id)); ok {
		return append([]byte{uuidMark}, raw[:]...)
	}
	return []byte(id)
}

// unpackID returns the id of a stored form.
func unpackID(b []byte) string {
	if len(b) == 17 && b[0] == uuidMark {
		return string(appendUUID(nil, b[1:]))
	}
	return string(b)
}
