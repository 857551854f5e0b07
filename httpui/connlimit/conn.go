package connlimit

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is an accepted connection. It waits for its client unless a request is
// being answered, and while one is: when the request's body is read and when the
// answer is written.
type conn struct {
	net.Conn
	listener *Listener
	client   netip.Prefix
	working  atomic.Int32 // requests at work, but for those whose body is being read
	writing  atomic.Int32
	since    atomic.Int64 // nanoseconds after the listener's start: the last request, answer or piece of one
}

func (c *conn) waiting() bool { return c.working.Load() == 0 || c.writing.Load() > 0 }

func (c *conn) waits() { c.since.Store(int64(time.Since(c.listener.started))) }

// Write sends to the client, which may take its time.
func (c *conn) Write(p []byte) (int, error) {
	c.waits()
	c.writing.Add(1)
	defer c.writing.Add(-1)
	return c.Conn.Write(p)
}

// Close gives the place back.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite tells the client that nothing more comes, so that it reads an
// answer to a request that was not read to its end.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type connKey struct{}

// Watch makes a server tell which of the connections are at work: those whose
// requests are in its handler. It changes Handler and ConnContext, so it comes
// after they are set and before Serve.
func (l *Listener) Watch(server *http.Server) {
	next, handler := server.ConnContext, server.Handler
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if next != nil {
			ctx = next(ctx, c)
		}
		if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
			c = secure.NetConn() // below TLS
		}
		return context.WithValue(ctx, connKey{}, c)
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.waits()
			c.working.Add(1)
			defer func() { c.waits(); c.working.Add(-1) }()
			if r.Body != http.NoBody {
				r.Body = &body{ReadCloser: r.Body, conn: c}
			}
		}
		handler.ServeHTTP(w, r)
	})
}

// body is what the client sends with a request.
type body struct {
	io.ReadCloser
	conn *conn
}

// Read waits for the client. A client that sends an octet now and then has
// waited since its request all the same.
func (b *body) Read(p []byte) (int, error) {
	b.conn.working.Add(-1)
	defer b.conn.working.Add(1)
	return b.ReadCloser.Read(p)
}
