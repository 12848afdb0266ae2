package api

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docs is a plain page that lists every route, made from the OpenAPI document.
// It needs nothing from elsewhere.
func (s *server) docs(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	b.WriteString("<!doctype html><html lang=en><meta charset=utf-8><title>Vigil API</title>" +
		"<meta name=viewport content=\"width=device-width\"><h1>Vigil API</h1>" +
		"<p>Machine-readable: <a href=openapi.json>openapi.json</a>, <a href=openapi.yaml>openapi.yaml</a></p><table>" +
		"<tr><th align=left>Route<th align=left>What it does<th align=left>Parameters<th align=left>Action")
	for _, op := range operations(s.huma.OpenAPI()) {
		var params []string
		for _, p := range op.Parameters {
			params = append(params, p.Name)
		}
		fmt.Fprintf(&b, "<tr><td><code>%s %s%s</code><td>%s<td>%s<td><code>%s</code>", op.Method, Prefix, html.EscapeString(op.Path),
			html.EscapeString(op.Summary), html.EscapeString(strings.Join(params, ", ")), html.EscapeString(op.OperationID))
	}
	b.WriteString("</table></html>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	_, _ = w.Write([]byte(b.String()))
}

// operations lists every operation in the order of path and method.
func operations(doc *huma.OpenAPI) []*huma.Operation {
	var out []*huma.Operation
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				out = append(out, op)
			}
		}
	}
	slices.SortFunc(out, func(a, b *huma.Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return out
}
