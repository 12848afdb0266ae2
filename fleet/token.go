package fleet

import (
	"context"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A Token lets an application or a script act with a role. The secret part is
// shown once, when it is made.
type Token struct {
	ID      string        `json:"id"`
	Name    string        `json:"name,omitempty"`
	Role    string        `json:"role"`
	Created vigil.Instant `json:"created"`
	Revoked vigil.Instant `json:"revoked,omitzero"`
}

// token is a Token as it is kept.
type token struct {
	Token
	Secret hashed `json:"secret"`
}

// Roles are the roles that a token can carry until identity knows more.
func Roles() []string { return []string{"admin", "clinician", "engineer", "reader"} }

// AddToken makes a token and returns it with the text that callers send as
// bearer token.
func (r *Registry) AddToken(ctx context.Context, name, role string) (Token, string, error) {
	known := false
	for _, k := range Roles() {
		known = known || k == role
	}
	if !known {
		return Token{}, "", &vigil.Error{Kind: vigil.Invalid, Path: "/role", Msg: "role is one of " + strings.Join(Roles(), ", ")}
	}
	t := Token{ID: vigil.NewID(r.c.Now()), Name: name, Role: role, Created: r.now()}
	secret, hash := newSecret()
	err := r.change(ctx, func() (draft, error) {
		return only(ctx, r, kindToken, t.ID, 0, token{t, hash})
	})
	return t, t.ID + "." + secret, err
}

// putToken puts a token into memory. The caller holds mu.
func (r *Registry) putToken(k kept[token]) []note {
	r.tokens[k.rec.ID] = k
	return []note{{kindToken, k.rec.ID}}
}

// Tokens returns all tokens, oldest first.
func (r *Registry) Tokens() []Token {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.tokens, func(k kept[token]) Token { return k.rec.Token }, func(a, b Token) bool { return a.ID < b.ID })
}

// RevokeToken voids a token from now on.
func (r *Registry) RevokeToken(ctx context.Context, id string) error {
	return r.change(ctx, func() (draft, error) {
		k, ok := r.token(id)
		if !ok {
			return draft{}, vigil.Errorf(vigil.NotFound, "there is no token %s", id)
		}
		if k.rec.Revoked != 0 {
			return draft{}, nil
		}
		k.rec.Revoked = r.now()
		return only(ctx, r, kindToken, id, k.version, k.rec)
	})
}

// token returns a token as it is in memory.
func (r *Registry) token(id string) (kept[token], bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.tokens[id]
	return k, ok
}

// Bearer returns who acts with a bearer token.
func (r *Registry) Bearer(text string) (vigil.Actor, error) {
	id, secret, _ := strings.Cut(text, ".")
	k, ok := r.token(id)
	if !ok {
		fresh, err := r.refresh(context.Background())
		if err != nil {
			return vigil.Actor{}, err
		}
		if fresh {
			k, ok = r.token(id)
		}
	}
	if !ok || !k.rec.Secret.matches(secret) || k.rec.Revoked != 0 {
		return vigil.Actor{}, vigil.Errorf(vigil.Unknown, "this token is not valid")
	}
	return vigil.Actor{Kind: vigil.Application, ID: "token:" + k.rec.ID, Roles: []string{k.rec.Role}}, nil
}
