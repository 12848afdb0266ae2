package devices

import (
	"errors"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/cborbody"
	"github.com/vigil-iomt/vigil/codec/csvbody"
	"github.com/vigil-iomt/vigil/codec/gatt"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// A codec turns the bytes of a message into fields.
type codec interface {
	// fields puts the fields into out.doc, or says why it cannot.
	fields(out *Decoded, channel string, payload []byte) *vigil.Refusal
	// binary tells whether payloads in examples are written in hexadecimal.
	binary() bool
}

// codec finds the codec that the profile names.
func (s section) codec() codec {
	name := s.text("codec")
	if s.has("csv") && name != "csv" {
		s.wrong(s.at("csv"), "csv: the codec is %s", name)
	}
	switch name {
	case "", "json":
		return jsonCodec{}
	case "csv":
		return s.csv()
	case "cbor":
		return cborCodec{}
	case "gatt":
		return gattCodec{}
	}
	s.wrong(s.at("codec"), "codec: %q is none of json, csv, cbor, gatt", name)
	return jsonCodec{}
}

// csv reads the options of the csv codec.
func (s section) csv() codec {
	n := s.values["csv"]
	if n == nil {
		return csvCodec{}
	}
	t := s.section(n, "csv", csvKeys())
	o := csvbody.Options{Columns: t.texts("columns"), DecimalComma: t.flag("decimal-comma")}
	switch sep := t.text("separator"); {
	case sep == "tab":
		o.Separator = '\t'
	case len(sep) == 1 && !strings.ContainsAny(sep, "\"\r\n0123456789.-"):
		o.Separator = sep[0]
	case sep != "":
		t.wrong(t.at("separator"), "separator: want one character, or tab")
	}
	return csvCodec{o}
}

// jsonCodec reads JSON.
type jsonCodec struct{}

func (jsonCodec) binary() bool { return false }

func (jsonCodec) fields(out *Decoded, _ string, payload []byte) *vigil.Refusal {
	return parsed(out.doc.Parse(payload))
}

// parsed turns a syntax error into a refusal.
func parsed(err error) *vigil.Refusal {
	if err == nil {
		return nil
	}
	var syntax *jsonbody.SyntaxError
	if errors.As(err, &syntax) {
		return &vigil.Refusal{Pos: syntax.Pos(), Reason: syntax.Msg}
	}
	return &vigil.Refusal{Reason: err.Error()}
}

// csvCodec reads tables: a list of rows with a field for each column.
type csvCodec struct{ options csvbody.Options }

func (csvCodec) binary() bool { return false }

func (c csvCodec) fields(out *Decoded, _ string, payload []byte) *vigil.Refusal {
	var err error
	out.text, err = csvbody.AppendJSON(out.text[:0], payload, c.options)
	var syntax *csvbody.Error
	if errors.As(err, &syntax) {
		return &vigil.Refusal{Pos: syntax.Pos(), Reason: syntax.Msg}
	}
	return parsed(out.doc.Parse(out.text))
}

// cborCodec reads CBOR as the JSON that it stands for.
type cborCodec struct{}

func (cborCodec) binary() bool { return true }

func (cborCodec) fields(out *Decoded, _ string, payload []byte) *vigil.Refusal {
	var err error
	if out.text, err = cborbody.AppendJSON(out.text[:0], payload); err != nil {
		return &vigil.Refusal{Reason: err.Error()}
	}
	return parsed(out.doc.Parse(out.text))
}

// gattCodec reads characteristics of Bluetooth health profiles; the channel
// names the characteristic.
type gattCodec struct{}

func (gattCodec) binary() bool { return true }

func (gattCodec) fields(out *Decoded, channel string, payload []byte) *vigil.Refusal {
	var err error
	if out.text, err = gatt.AppendJSON(out.text[:0], channel, payload); err != nil {
		return &vigil.Refusal{Reason: err.Error()}
	}
	return parsed(out.doc.Parse(out.text))
}
