// Package connlimit bounds the TCP connections that a server has open: in total
// and for each client address, an IPv6 client being its /64.
//
// A connection that waits for its client holds no place against somebody new:
// where places are taken, the one that has waited longest is closed, of the
// address that holds most of them. Only where every connection is at work is a
// new one refused. So whoever opens connections and says nothing, or says it
// slowly, shuts nobody out.
//
//	limited := connlimit.Listen(listener, connlimit.Places(512), 128)
//	limited.Watch(server) // before Serve: tells which connections are at work
//	server.Serve(limited)
package connlimit
