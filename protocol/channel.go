package protocol

import (
	"unicode"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil"
)

// maxChannel is the most bytes that a channel's name may have.
const maxChannel = 128

// CheckChannel tells whether a text can name a channel, the device's own
// sub-stream: empty for the only one, else up to 128 bytes of UTF-8 without
// control characters and without the wildcards of MQTT (+ and #). The error is
// of kind Invalid.
func CheckChannel(s string) error {
	if len(s) > maxChannel || !utf8.ValidString(s) {
		return vigil.Errorf(vigil.Invalid, "a channel is at most %d bytes of UTF-8", maxChannel)
	}
	for _, r := range s {
		if r == '+' || r == '#' || unicode.IsControl(r) {
			return vigil.Errorf(vigil.Invalid, "a channel holds no wildcard and no control character")
		}
	}
	return nil
}

// maxID is the most bytes that the id of a message may have.
const maxID = 255

// CheckID tells whether a text can be the id of a message: up to 255 bytes of
// UTF-8 without control characters; empty for none. The error is of kind
// Invalid.
func CheckID(s string) error {
	if len(s) > maxID || !utf8.ValidString(s) {
		return vigil.Errorf(vigil.Invalid, "a message id is at most %d bytes of UTF-8", maxID)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return vigil.Errorf(vigil.Invalid, "a message id holds no control character")
		}
	}
	return nil
}
