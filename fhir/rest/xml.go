package rest

import (
	"unicode/utf8"

	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// An xmlBody is the XML that a body came as: what is wrong with it is told with
// the places of the XML (xml.html).
type xmlBody struct {
	places *xmlform.Places
	json   []byte
}

// fromXML turns the body of a call into JSON.
func (s *Server) fromXML(c *call) ([]byte, error) {
	json, places, err := xmlform.JSON(s.set(), c.body)
	if err != nil {
		return nil, s.unreadable(err)
	}
	c.origin = &xmlBody{places, json}
	return json, nil
}

// toXML turns an answer into XML.
func (s *Server) toXML(body []byte, pretty bool) ([]byte, error) {
	doc, err := tree.Parse(body)
	if err != nil {
		return nil, err
	}
	return xmlform.XML(s.set(), doc.Root(), pretty)
}

// locate puts the place of an issue where the client has it.
func (o *xmlBody) locate(i Issue) Issue {
	if o == nil || i.Line == 0 {
		return i
	}
	at, line := 0, 1
	for line < i.Line && at < len(o.json) {
		if o.json[at] == '\n' {
			line++
		}
		at++
	}
	for col := 1; col < i.Col && at < len(o.json); col++ {
		_, n := utf8.DecodeRune(o.json[at:])
		at += n
	}
	i.Line, i.Col = o.places.Pos(at)
	return i
}
