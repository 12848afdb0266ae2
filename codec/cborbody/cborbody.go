// Package cborbody turns a CBOR item (RFC 8949) into the JSON text that it
// stands for, so that it is read by the same paths as JSON. NaN and the
// infinities become the texts NaN, Infinity and -Infinity, byte strings become
// base64, and the names of maps must be texts or integers.
package cborbody

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// mode refuses what no device has reason to send.
var mode = sync.OnceValues(func() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 32, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 14,
		UTF8: cbor.UTF8RejectInvalid, TimeTag: cbor.DecTagOptional, TimeTagToAny: cbor.TimeTagToRFC3339Nano,
	}.DecMode()
})

// AppendJSON appends the JSON text of a CBOR item.
func AppendJSON(dst, payload []byte) ([]byte, error) {
	m, err := mode()
	if err != nil {
		return dst, fmt.Errorf("set up CBOR: %w", err)
	}
	var v any
	if err := m.Unmarshal(payload, &v); err != nil {
		return dst, fmt.Errorf("not CBOR that can be read: %w", err)
	}
	return appendValue(dst, v)
}

// appendValue appends one value.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v), nil
	case float32:
		return appendFloat(dst, float64(v)), nil
	case big.Int:
		return v.Append(dst, 10), nil
	case string:
		return appendText(dst, v)
	case []byte:
		return appendText(dst, base64.StdEncoding.EncodeToString(v))
	case time.Time:
		return appendText(dst, v.UTC().Format(time.RFC3339Nano))
	case cbor.Tag:
		return appendValue(dst, v.Content)
	case []any:
		return appendList(dst, v)
	case map[any]any:
		return appendMap(dst, v)
	}
	return dst, fmt.Errorf("a CBOR value of type %T cannot be read", v)
}

// appendFloat appends a number, or the word for what is none.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	case float64(float32(v)) == v:
		return strconv.AppendFloat(dst, v, 'g', -1, 32)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// appendText appends a text in quotes.
func appendText(dst []byte, s string) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return dst, fmt.Errorf("write text: %w", err)
	}
	return append(dst, b...), nil
}

// appendList appends an array.
func appendList(dst []byte, list []any) ([]byte, error) {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, v); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendMap appends a map in the order of its names.
func appendMap(dst []byte, m map[any]any) ([]byte, error) {
	byName := make(map[string]any, len(m))
	for k, v := range m {
		var name string
		switch k := k.(type) {
		case string:
			name = k
		case uint64:
			name = strconv.FormatUint(k, 10)
		case int64:
			name = strconv.FormatInt(k, 10)
		default:
			return dst, errors.New("the names of a CBOR map must be texts or integers")
		}
		if _, twice := byName[name]; twice {
			return dst, fmt.Errorf("the name %q is there twice", name)
		}
		byName[name] = v
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendText(dst, name); err != nil {
			return dst, err
		}
		if dst, err = appendValue(append(dst, ':'), byName[name]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
