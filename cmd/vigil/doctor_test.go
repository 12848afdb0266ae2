package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorOfASickServer: a server that answers with an error is not a server
// that is not there.
func TestDoctorOfASickServer(t *testing.T) {
	dir, err := os.MkdirTemp("", "sick") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "vigil.sock"))
	if err != nil {
		t.Fatal(err)
	}
	sick := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the store is gone", http.StatusInternalServerError)
	})}
	served := make(chan error, 1)
	go func() { served <- sick.Serve(l) }()
	defer func() {
		_ = sick.Close()
		<-served
	}()
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"doctor", "--data", dir}, nil, &out, &errOut); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(errOut.String(), "the store is gone") || strings.Contains(out.String(), "No server is running") {
		t.Errorf("said %q and %q", out.String(), errOut.String())
	}
}

// TestDoctorOfAFolderInTrouble reads what the doctor prints about a folder
// without a server: what it found, and under it what to do.
//
// Seen to fail when the advice is not printed.
func TestDoctorOfAFolderInTrouble(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out, errOut bytes.Buffer
	code := run(t.Context(), []string{
		"doctor", "--data", dir, "--http", l.Addr().String(), "--mqtt", "127.0.0.1:0", "--min-free", "8000000GiB",
	}, nil, &out, &errOut)
	if code != exitFailed || !strings.Contains(errOut.String(), "checks need a look") {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	for _, words := range []string{
		"No server is running", "LOOK", "others on this machine may read", "→ chmod 700", "address already in use",
		"→ choose another with --http", "→ make room: messages are refused", "for each synced write",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("it does not say %q:\n%s", words, out.String())
		}
	}
}
