package api

import (
	"context"
	"net/http"

	"github.com/vigil-iomt/vigil/fleet"
)

// newToken is a token to be made.
type newToken struct {
	Role string `json:"role" doc:"admin, clinician, engineer or reader."`
	Name string `json:"name,omitempty" doc:"What it is for."`
}

// madeToken is a new token.
type madeToken struct {
	ID    string `json:"id"`
	Token string `json:"token" doc:"Shown only now; sent as bearer token."`
}

// tokenList is a list of tokens.
type tokenList struct {
	Tokens []fleet.Token `json:"tokens"`
}

// tokens registers the routes of tokens.
func (s *server) tokens() {
	handle(s, route{"token.search", http.MethodGet, "/tokens", "List tokens"},
		func(context.Context, *struct{}) (*answer[tokenList], error) {
			return said(tokenList{s.c.Tokens.Tokens()}), nil
		})
	handle(s, route{"token.create", http.MethodPost, "/tokens", "Make a bearer token"},
		func(ctx context.Context, in *answer[newToken]) (*answer[madeToken], error) {
			t, text, err := s.c.Tokens.AddToken(ctx, in.Body.Name, in.Body.Role)
			return said(madeToken{t.ID, text}), err
		})
	handle(s, route{"token.revoke", http.MethodDelete, "/tokens/{id}", "Void a token"},
		func(ctx context.Context, in *ByID) (*struct{}, error) { return nil, s.c.Tokens.RevokeToken(ctx, in.ID) })
}
