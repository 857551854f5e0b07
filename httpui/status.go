package httpui

import (
	"net"
	"net/http"
	"net/netip"
)

// statusAnswer is GET /api/v1/status.
type statusAnswer struct {
	Version   string   `json:"version"`
	Ready     bool     `json:"ready"`
	Problems  []string `json:"problems"`
	Receiving []string `json:"receiving"` // addresses that routers can send to: host:port
}

func (s *Server) status(r *http.Request) (any, error) {
	problems := s.deps.Problems(r.Context())
	if problems == nil {
		problems = []string{}
	}
	return statusAnswer{s.config.Version, len(problems) == 0, problems, reachable(s.deps.Addresses(), machineAddresses())}, nil
}

// readyz answers 200 when flows are stored and shown, else 503 with the reasons.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if problems := s.deps.Problems(r.Context()); len(problems) > 0 {
		writeJSON(w, r, http.StatusServiceUnavailable, map[string]any{"ready": false, "problems": problems})
		return
	}
	writeJSON(w, r, http.StatusOK, map[string]any{"ready": true, "problems": []string{}})
}

// reachable replaces wildcard addresses by those of the machine.
func reachable(listening []netip.AddrPort, machine []netip.Addr) []string {
	answers := []string{}
	for _, address := range listening {
		if !address.Addr().IsUnspecified() {
			answers = append(answers, netip.AddrPortFrom(address.Addr().Unmap(), address.Port()).String())
			continue
		}
		for _, own := range machine {
			answers = append(answers, netip.AddrPortFrom(own, address.Port()).String())
		}
	}
	return answers
}

// machineAddresses returns the addresses under which others reach the machine,
// or the loopback one where there is no other.
func machineAddresses() []netip.Addr {
	var addresses []netip.Addr
	all, _ := net.InterfaceAddrs() // without them, loopback is the answer
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if ip := prefix.Addr(); ip.IsGlobalUnicast() {
			addresses = append(addresses, ip)
		}
	}
	if len(addresses) == 0 {
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return addresses
}
