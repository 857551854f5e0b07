package httpui

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/nfstats/nfstats/configs"
)

// setupAnswer is GET /api/v1/setup: what a first start needs.
type setupAnswer struct {
	Receiving    []string       `json:"receiving"`     // host:port to which routers can send flows
	LocalAddress string         `json:"local_address"` // of this machine as the router sees it if no NAT is between; "": no route, or no router asked for
	Received     receivedAnswer `json:"received"`      // since the daemon started
	Routers      []routerSetup  `json:"routers"`
}

// receivedAnswer sums up what came in, whether it could be decoded or not.
type receivedAnswer struct {
	Exporters int    `json:"exporters"`
	Datagrams uint64 `json:"datagrams"`
	Flows     uint64 `json:"flows"`
}

// routerSetup is how one vendor's routers export flows.
type routerSetup struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Text string `json:"text"` // lines to paste, with {address}, {port} and {rate} to be filled in
}

// setup answers GET /api/v1/setup?router=.
func (s *Server) setup(r *http.Request) (any, error) {
	routers, err := configs.Routers()
	if err != nil {
		return nil, err
	}
	answer := setupAnswer{Receiving: Reachable(s.deps.Addresses()), Routers: []routerSetup{}}
	if text := r.URL.Query().Get("router"); text != "" {
		router, err := exporterOf(text)
		if err != nil {
			return nil, err
		}
		answer.LocalAddress = localAddress(r.Context(), router)
	}
	asking, cancel := context.WithTimeout(r.Context(), decoderPatience)
	defer cancel()
	live, err := s.deps.Live(asking)
	if err != nil {
		return nil, err
	}
	answer.Received.Exporters = len(live)
	for _, e := range live {
		answer.Received.Datagrams += e.Counters.Datagrams
		answer.Received.Flows += e.Counters.Flows
	}
	for _, r := range routers {
		answer.Routers = append(answer.Routers, routerSetup(r))
	}
	return answer, nil
}

// localAddress returns the address from which this machine would talk to a router.
// Connecting a UDP socket asks the kernel's routes and sends nothing.
func localAddress(ctx context.Context, router netip.Addr) string {
	var dialer net.Dialer
	const discard = 9 // any port does
	conn, err := dialer.DialContext(ctx, "udp", netip.AddrPortFrom(router, discard).String())
	if err != nil {
		return "" // no route
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return local.Addr().Unmap().String()
}
