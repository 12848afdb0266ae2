package topic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A vault seals what clients must not see again: the values of headers, and what
// a token for a WebSocket stands for.
type vault struct{ gcm cipher.AEAD }

// sealedMark begins the value of a header that is sealed.
const sealedMark = "sealed."

func newVault(key [16]byte) vault {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("topic: " + err.Error()) // the length is right
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("topic: " + err.Error())
	}
	return vault{gcm}
}

// shut seals a text for one purpose.
func (v vault) shut(text []byte, purpose string) string {
	nonce := make([]byte, v.gcm.NonceSize(), v.gcm.NonceSize()+len(text)+v.gcm.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(v.gcm.Seal(nonce, nonce, text, []byte(purpose)))
}

// unshut opens what was sealed for the purpose.
func (v vault) unshut(sealed, purpose string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < v.gcm.NonceSize() {
		return nil, vigil.Errorf(vigil.Invalid, "this was not sealed here")
	}
	n := v.gcm.NonceSize()
	out, err := v.gcm.Open(nil, raw[:n], raw[n:], []byte(purpose))
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "this was not sealed here")
	}
	return out, nil
}

// host is the part of an endpoint that a header is sealed for: who may read the
// one may not move it to another.
func host(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "header " + endpoint
	}
	return "header " + u.Scheme + "://" + strings.ToLower(u.Host)
}

// seal seals the value of a header, unless it is.
func (v vault) seal(header, endpoint string) string {
	name, value, _ := strings.Cut(header, ":")
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, sealedMark) {
		return header
	}
	return strings.TrimSpace(name) + ": " + sealedMark + v.shut([]byte(value), host(endpoint))
}

// open returns a header with its value.
func (v vault) open(header, endpoint string) (value string, err error) {
	_, value, _ = strings.Cut(header, ":")
	value = strings.TrimSpace(value)
	sealed, ok := strings.CutPrefix(value, sealedMark)
	if !ok {
		return value, nil
	}
	plain, err := v.unshut(sealed, host(endpoint))
	return string(plain), err
}

// Shape makes of a Subscription that a client writes what is kept: the values of
// its headers are sealed, and it is requested, for the server alone says that it
// is active (subscription.html#Subscription.status). Other resources stay.
func (d *Desk) Shape(typ string, doc *tree.Doc) *tree.Doc {
	if typ != "Subscription" {
		return doc
	}
	root := doc.Root()
	edit := tree.NewEdit(doc)
	if status := root.Get("status"); status.Ok() && status.Text() != off {
		edit.Replace(status, []byte(`"`+requested+`"`))
	}
	if e := root.Get("error"); e.Ok() {
		edit.Remove(e)
	}
	channel := root.Get("channel")
	for h := range channel.Get("header").Items() {
		edit.Replace(h, tree.AppendString(nil, d.vault.seal(h.Text(), channel.Get("endpoint").Text())))
	}
	shaped, err := tree.Parse(edit.Bytes())
	if err != nil {
		panic("topic: " + err.Error()) // the parts are JSON
	}
	return shaped
}

// A pass is what a token for a WebSocket stands for.
type pass struct {
	IDs   []string      `json:"s"`
	Until vigil.Instant `json:"u"`
}

// token makes the token of a pass.
func (v vault) token(p pass) string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic("topic: " + err.Error()) // nothing in it can fail
	}
	return v.shut(raw, "socket")
}

// pass returns what a token stands for, while it is valid.
func (v vault) pass(token string, now vigil.Instant) (pass, error) {
	var p pass
	raw, err := v.unshut(token, "socket")
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil || now > p.Until {
		return pass{}, vigil.Errorf(vigil.Forbidden, "this token is not valid, or not any more")
	}
	return p, nil
}
