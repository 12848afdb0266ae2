package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// hashed is a secret as it is kept. Secrets are 192 random bits made here, so
// one round of SHA-256 over salt and secret is enough: there is nothing to
// guess, and a reconnect storm of ten thousand devices stays cheap.
type hashed struct {
	Salt []byte `json:"salt"`
	Sum  []byte `json:"sum"`
}

// newSecret makes a secret and its hash.
func newSecret() (string, hashed) {
	var b [24 + 16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("fleet: no randomness: " + err.Error())
	}
	secret := base64.RawURLEncoding.EncodeToString(b[:24])
	salt := append([]byte(nil), b[24:]...)
	return secret, hashed{Salt: salt, Sum: sum(salt, secret)}
}

// matches compares in constant time.
func (h hashed) matches(secret string) bool {
	return subtle.ConstantTimeCompare(h.Sum, sum(h.Salt, secret)) == 1
}

// sum is SHA-256 over salt and secret.
func sum(salt []byte, secret string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(secret))
	return h.Sum(nil)
}
