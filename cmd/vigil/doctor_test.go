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
