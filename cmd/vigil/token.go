package main

import (
	"net/http"
	"net/url"

	"github.com/vigil-iomt/vigil/fleet"
)

// tokenCmd makes and revokes bearer tokens.
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it."`
	List   tokenListCmd   `cmd:"" help:"List tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Void a token."`
}

// tokenCreateCmd makes a token.
type tokenCreateCmd struct {
	Role string `required:"" help:"admin, clinician, engineer or reader." json:"role"`
	Name string `help:"What it is for." json:"name,omitempty"`
}

// Run makes it.
func (cmd tokenCreateCmd) Run(c *console) error {
	var out struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	if err := c.client().call(c.ctx, http.MethodPost, "/api/v1/tokens", cmd, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("id", out.ID)
		t.row("token", out.Token, "(shown only now)")
	})
}

// tokenListCmd lists tokens.
type tokenListCmd struct{}

// Run lists them.
func (tokenListCmd) Run(c *console) error {
	var out struct {
		Tokens []fleet.Token `json:"tokens"`
	}
	if err := c.client().call(c.ctx, http.MethodGet, "/api/v1/tokens", nil, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("ID", "NAME", "ROLE", "MADE", "REVOKED")
		for _, k := range out.Tokens {
			t.row(k.ID, k.Name, k.Role, k.Created, k.Revoked)
		}
	})
}

// tokenRevokeCmd voids a token.
type tokenRevokeCmd struct {
	ID string `arg:"" help:"Token."`
}

// Run voids it.
func (cmd tokenRevokeCmd) Run(c *console) error {
	if err := c.client().call(c.ctx, http.MethodDelete, "/api/v1/tokens/"+url.PathEscape(cmd.ID), nil, nil); err != nil {
		return err
	}
	return c.print(map[string]string{"id": cmd.ID}, func(t *table) { t.row("revoked", cmd.ID) })
}
