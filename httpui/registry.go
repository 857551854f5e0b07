package httpui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	registryPatience = 10 * time.Second // for one answer, referral included
	registryAge      = 24 * time.Hour   // that an answer is kept
	registryEntries  = 1000             // that are kept
	registryParallel = 4                // questions at once
	maxRegistryText  = 64 << 10         // octets of an answer
)

// registries are the whois servers that a referral may lead to. It comes from
// outside and must not make us connect to anything else.
var registries = []string{"whois.afrinic.net", "whois.apnic.net", "whois.arin.net", "whois.iana.org", "whois.lacnic.net", "whois.ripe.net"}

// errRegistryBusy tells that others ask already.
var errRegistryBusy = &problem{status: http.StatusServiceUnavailable, message: "Too many registry questions at once. Try again in a moment."}

// A registryEntry is what a registry says.
type registryEntry struct {
	Text      string `json:"text"`
	Source    string `json:"source"` // host name of the server that answered
	FetchedMs int64  `json:"fetched_ms"`
}

// whoisAnswer is GET /api/v1/whois.
type whoisAnswer struct {
	OfflineName string         `json:"offline_name"` // of the AS, from our own table
	Registry    *registryEntry `json:"registry"`     // null: it was not asked, or did not answer
	Error       string         `json:"error"`        // why not
}

// A registryClient asks registries by the whois protocol (RFC 3912) and the DNS,
// and keeps their answers for a day.
type registryClient struct {
	server   string // host:port asked first; "": registries are not asked
	referred func(host string) (address string, ok bool)
	dns      func(ctx context.Context, address string) ([]string, error) // nil: the DNS is not asked
	asking   chan struct{}

	mu      sync.Mutex
	entries map[string]registryEntry
	names   map[netip.Addr]nameEntry
}

type nameEntry struct {
	names []string
	at    time.Time
}

func newRegistryClient(server string, reverseDNS bool) *registryClient {
	c := &registryClient{server: server, asking: make(chan struct{}, registryParallel), entries: map[string]registryEntry{}, names: map[netip.Addr]nameEntry{}}
	c.referred = func(host string) (string, bool) {
		return net.JoinHostPort(host, "43"), slices.Contains(registries, host)
	}
	if reverseDNS {
		c.dns = net.DefaultResolver.LookupAddr
	}
	return c
}

// begin takes one of the places for questions.
func (c *registryClient) begin(ctx context.Context) (end func(), err error) {
	select {
	case c.asking <- struct{}{}:
		return func() { <-c.asking }, nil
	case <-ctx.Done():
		return nil, errRegistryBusy
	}
}

// whois returns what the registry says about an AS ("AS15169") or an address.
func (c *registryClient) whois(ctx context.Context, subject string) (registryEntry, error) {
	c.mu.Lock()
	entry, known := c.entries[subject]
	c.mu.Unlock()
	if known && time.Since(time.UnixMilli(entry.FetchedMs)) < registryAge {
		return entry, nil
	}
	ctx, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	end, err := c.begin(ctx)
	if err != nil {
		return registryEntry{}, err
	}
	defer end()
	text, err := ask(ctx, c.server, subject)
	source := c.server
	if err == nil {
		if address, ok := c.referred(referral(text)); ok && address != c.server {
			if text, err = ask(ctx, address, subject); err == nil {
				source = address
			}
		}
	}
	if err != nil {
		return registryEntry{}, err
	}
	host, _, _ := net.SplitHostPort(source)
	entry = registryEntry{Text: text, Source: host, FetchedMs: time.Now().UnixMilli()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= registryEntries {
		clear(c.entries)
	}
	c.entries[subject] = entry
	return entry, nil
}

// ask puts one question to a whois server. Lines of comment are left out.
func ask(ctx context.Context, server, subject string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return "", fmt.Errorf("reach the registry at %s: %w", server, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if _, err := io.WriteString(conn, subject+"\r\n"); err != nil {
		return "", fmt.Errorf("ask the registry at %s: %w", server, err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(io.LimitReader(conn, maxRegistryText))
	for lines.Scan() {
		line := strings.ToValidUTF8(strings.TrimRight(lines.Text(), "\r"), "\uFFFD")
		if !strings.HasPrefix(line, "%") && !strings.HasPrefix(line, "#") && (line != "" || text.Len() > 0) {
			text.WriteString(line + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read what the registry at %s says: %w", server, err)
	}
	if text.Len() == 0 {
		return "", fmt.Errorf("the registry at %s says nothing about %s", server, subject)
	}
	return strings.TrimRight(text.String(), "\n") + "\n", nil
}

// referral returns the server that an answer of IANA names.
func referral(text string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && (key == "refer" || key == "whois") {
			return strings.ToLower(strings.TrimSpace(value))
		}
	}
	return ""
}

// reverse returns the names of an address.
func (c *registryClient) reverse(ctx context.Context, address netip.Addr) ([]string, error) {
	c.mu.Lock()
	entry, known := c.names[address]
	c.mu.Unlock()
	if known && time.Since(entry.at) < registryAge {
		return entry.names, nil
	}
	ctx, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	names, err := c.dns(ctx, address.String())
	if missing := (*net.DNSError)(nil); errors.As(err, &missing) && missing.IsNotFound {
		names, err = []string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask the DNS for the name of %s: %w", address, err)
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, ".")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names) >= registryEntries {
		clear(c.names)
	}
	c.names[address] = nameEntry{names, time.Now()}
	return names, nil
}

// whois answers GET /api/v1/whois?as= or ?addr=: who an AS or an address belongs
// to.
func (s *Server) whois(r *http.Request) (any, error) {
	parameters := r.URL.Query()
	var subject string
	answer := whoisAnswer{}
	switch as, address := parameters.Get("as"), parameters.Get("addr"); {
	case as != "" && address == "":
		number, err := strconv.ParseUint(as, 10, 32)
		if err != nil {
			return nil, badRequest("as=%s: want an AS number", as)
		}
		subject = "AS" + strconv.FormatUint(number, 10)
		found, err := s.deps.Flows.Complete(r.Context(), "as", strconv.FormatUint(number, 10))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 && "AS"+found[0].Value == subject {
			answer.OfflineName = found[0].Name
		}
	case address != "" && as == "":
		parsed, err := netip.ParseAddr(address)
		if err != nil || parsed.Zone() != "" {
			return nil, badRequest("addr=%s: want an address", address)
		}
		subject = parsed.Unmap().String()
	default:
		return nil, badRequest("want as or addr")
	}
	if s.registry.server == "" {
		answer.Error = "This server does not ask registries (http.whois)."
		return answer, nil
	}
	entry, err := s.registry.whois(r.Context(), subject)
	if err != nil {
		answer.Error = err.Error()
		return answer, nil
	}
	answer.Registry = &entry
	return answer, nil
}

// reverseDNS answers GET /api/v1/rdns?addr=: the names of an address.
func (s *Server) reverseDNS(r *http.Request) (any, error) {
	address, err := netip.ParseAddr(r.URL.Query().Get("addr"))
	if err != nil || address.Zone() != "" {
		return nil, badRequest("addr=%s: want an address", r.URL.Query().Get("addr"))
	}
	if s.registry.dns == nil {
		return nil, notFound("This server does not ask the DNS (http.reverse_dns).")
	}
	names, err := s.registry.reverse(r.Context(), address.Unmap())
	if err != nil {
		return nil, err
	}
	return map[string]any{"addr": address.Unmap(), "names": names}, nil
}
