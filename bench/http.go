package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// An httpConn is one HTTP/1.1 connection of a client that does the least that
// there is to do, so that the processor is left to the server. One goroutine
// uses it.
type httpConn struct {
	net.Conn
	in   *bufio.Reader
	head string // of every request
	out  []byte
	body bytes.Buffer
}

// dialHTTP connects to a server with a token.
func dialHTTP(ctx context.Context, addr, token string) (*httpConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &httpConn{Conn: c, in: bufio.NewReaderSize(c, 64<<10), head: " HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + token + "\r\n"}, nil
}

// do sends a request and returns the status of the answer, whose body is good
// until the next one.
func (c *httpConn) do(method, path string, body []byte, headers ...string) (int, []byte, error) {
	c.out = append(append(append(append(c.out[:0], method...), ' '), path...), c.head...)
	for _, h := range headers {
		c.out = append(append(c.out, h...), "\r\n"...)
	}
	if body != nil {
		c.out = append(c.out, "Content-Type: application/fhir+json\r\nContent-Length: "...)
		c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n"...)
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	if _, err := c.Write(c.out); err != nil {
		return 0, nil, fmt.Errorf("send request: %w", err)
	}
	return c.answer()
}

// answer reads an answer.
func (c *httpConn) answer() (int, []byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, nil, fmt.Errorf("read answer: %w", errors.Join(err, errors.New("it is none")))
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	size, chunked := int64(0), false
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, fmt.Errorf("read answer: %w", err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if size, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return 0, nil, fmt.Errorf("read answer: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	c.body.Reset()
	if chunked {
		err = c.chunks()
	} else if _, err = io.CopyN(&c.body, c.in, size); err != nil {
		err = fmt.Errorf("read answer: %w", err)
	}
	return status, c.body.Bytes(), err
}

// chunks reads a body that comes in pieces (RFC 9112, 7.1).
func (c *httpConn) chunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if _, err := io.CopyN(&c.body, c.in, n); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if _, err := c.in.Discard(2); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// want is do for an answer with a certain status.
func (c *httpConn) want(status int, method, path string, body []byte, headers ...string) ([]byte, error) {
	got, answer, err := c.do(method, path, body, headers...)
	if err == nil && got != status {
		err = fmt.Errorf("%s %.200s: %d %s: %.500s", method, path, got, http.StatusText(got), answer)
	}
	return answer, err
}
