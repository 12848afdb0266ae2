package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func site() fstest.MapFS {
	return fstest.MapFS{
		"wall.html":           {Data: []byte(`<meta content="__CSP_NONCE__">wall`)},
		"app.html":            {Data: []byte(`app`)},
		"me.html":             {Data: []byte(`me`)},
		"favicon.svg":         {Data: []byte(`<svg/>`)},
		"assets/a-1.js":       {Data: []byte(`plain`)},
		"assets/a-1.js.br":    {Data: []byte(`brotli`)},
		"assets/font-1.woff2": {Data: []byte(`font`)},
		".vite/manifest.json": {Data: []byte(`{}`)},
	}
}

func ask(t *testing.T, h http.Handler, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	h := handler(site())
	tests := []struct {
		path  string
		code  int
		body  string
		cache string
	}{
		{"/", 302, "", ""},
		{"/wall", 200, "wall", "no-cache"},
		{"/app", 200, "app", "no-cache"},
		{"/app/quarantine/x", 200, "app", "no-cache"},
		{"/me", 200, "me", "no-cache"},
		{"/favicon.svg", 200, "<svg/>", "no-cache"},
		{"/assets/a-1.js", 200, "plain", "public, max-age=31536000, immutable"},
		{"/assets/none.js", 404, "", ""},
		{"/assets", 404, "", ""},
		{"/.vite/manifest.json", 404, "", ""},
		{"/wall.html", 404, "", ""},
		{"/nowhere", 404, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			w := ask(t, h, tt.path, "")
			if w.Code != tt.code {
				t.Fatalf("code: got %d, want %d", w.Code, tt.code)
			}
			if tt.body != "" && !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("body: got %q, want it to contain %q", w.Body, tt.body)
			}
			if tt.cache != "" && w.Header().Get("Cache-Control") != tt.cache {
				t.Errorf("cache: got %q, want %q", w.Header().Get("Cache-Control"), tt.cache)
			}
			if tt.code != 302 && !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'self'") {
				t.Error("a response without a content security policy")
			}
		})
	}
}

func TestNonceIsFreshAndInThePage(t *testing.T) {
	h := handler(site())
	var seen [2]string
	for i := range seen {
		w := ask(t, h, "/wall", "")
		_, rest, _ := strings.Cut(w.Header().Get("Content-Security-Policy"), "'nonce-")
		seen[i], _, _ = strings.Cut(rest, "'")
		if seen[i] == "" || !strings.Contains(w.Body.String(), seen[i]) {
			t.Fatalf("nonce %q of the policy is not in the page %q", seen[i], w.Body)
		}
	}
	if seen[0] == seen[1] {
		t.Error("two responses have the same nonce")
	}
}

func TestCompressedTwin(t *testing.T) {
	h := handler(site())
	w := ask(t, h, "/assets/a-1.js", "gzip, br")
	if got := w.Body.String(); got != "brotli" || w.Header().Get("Content-Encoding") != "br" {
		t.Errorf("got %q as %q, want the brotli twin", got, w.Header().Get("Content-Encoding"))
	}
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/javascript") {
		t.Errorf("type: got %q, want that of the file itself", got)
	}
	if got := ask(t, h, "/assets/a-1.js", "br;q=0").Body.String(); got != "plain" {
		t.Errorf("refused coding: got %q, want the plain file", got)
	}
}

func TestNotBuilt(t *testing.T) {
	files := fstest.MapFS{".keep": {}}
	w := ask(t, handler(files), "/wall", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "npm run build") {
		t.Errorf("got %d %q, want a page that says how to build", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), nonceMark) {
		t.Error("the nonce's mark is left in the page")
	}
	if built(files) || !built(site()) {
		t.Error("built: want false without and true with wall.html")
	}
}
