package httpui

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store"
)

// statusAnswer is GET /api/v1/status.
type statusAnswer struct {
	Version   string   `json:"version"`
	Ready     bool     `json:"ready"`
	Problems  []string `json:"problems"`
	Receiving []string `json:"receiving"` // addresses that routers can send to: host:port

	Stored   *storedAnswer  `json:"stored"`   // null while ClickHouse cannot tell
	Warnings []string       `json:"warnings"` // to look at, though the daemon is ready
	Journal  *JournalStatus `json:"journal"`
}

// JournalStatus tells what is received and not stored yet.
type JournalStatus struct {
	WaitingDatagrams uint64 `json:"waiting_datagrams"`
	WaitingBytes     uint64 `json:"waiting_bytes"`
	OldestMs         int64  `json:"oldest_ms"` // reception of the oldest that waits, Unix milliseconds; 0 for none
	Reason           string `json:"reason"`    // why they are not stored; "": they will be in a moment
	Bytes            int64  `json:"bytes"`     // of the journal's files
	LimitBytes       int64  `json:"limit_bytes"`
	MemoryBytes      int64  `json:"memory_bytes"` // waits for the disk
	RejectedBlocks   int    `json:"rejected_blocks"`
}

// storedAnswer is what table flows holds, whatever the time range.
type storedAnswer struct {
	Flows    uint64 `json:"flows"`
	OldestMs int64  `json:"oldest_ms"` // reception, Unix milliseconds; 0 for none
	NewestMs int64  `json:"newest_ms"`
}

// extentPatience bounds how long the status waits for ClickHouse. The rest of it
// is of use without.
const extentPatience = 3 * time.Second

func (s *Server) status(r *http.Request) (any, error) {
	answer := statusAnswer{Version: s.config.Version, Problems: s.deps.Problems(r.Context()),
		Warnings: s.warnings(), Receiving: Reachable(s.deps.Addresses())}
	if s.deps.Journal != nil {
		journal := s.deps.Journal()
		answer.Journal = &journal
	}
	answer.Ready = len(answer.Problems) == 0
	if !answer.Ready {
		return answer, nil
	}
	answer.Problems = []string{}
	answer.Warnings = append(answer.Warnings, s.retentionWarnings(r.Context())...)
	ctx, cancel := context.WithTimeout(r.Context(), extentPatience)
	defer cancel()
	extent, err := s.deps.Flows.Extent(ctx)
	if err != nil {
		s.lacking(r.Context(), "what is stored", err)
		return answer, nil
	}
	answer.Stored = &storedAnswer{Flows: extent.Flows}
	if extent.Flows > 0 {
		answer.Stored.OldestMs, answer.Stored.NewestMs = extent.Oldest.UnixMilli(), extent.Newest.UnixMilli()
	}
	return answer, nil
}

// lacking logs once a minute what a status lacks, unless nobody waits for it any
// more.
func (s *Server) lacking(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	if now, last := time.Now().Unix(), s.complained.Load(); now-last >= 60 && s.complained.CompareAndSwap(last, now) {
		s.deps.Logger.Warn("the status lacks "+what, zap.String("error", store.Reason(err)))
	}
}

// readyz answers 200 when flows are stored and shown, else 503 with the reasons.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	problems := s.deps.Problems(r.Context())
	if !s.measures(r) { // strangers learn whether, not why
		status := http.StatusOK
		if len(problems) > 0 {
			status = http.StatusServiceUnavailable
		}
		s.sendJSON(w, r, status, map[string]any{"ready": len(problems) == 0})
		return
	}
	if len(problems) > 0 {
		s.sendJSON(w, r, http.StatusServiceUnavailable, map[string]any{"ready": false, "problems": problems, "warnings": s.warnings()})
		return
	}
	s.sendJSON(w, r, http.StatusOK, map[string]any{"ready": true, "problems": []string{}, "warnings": s.warnings()})
}

func (s *Server) warnings() []string {
	if s.deps.Warnings != nil {
		if warnings := s.deps.Warnings(); warnings != nil {
			return warnings
		}
	}
	return []string{}
}

// Reachable returns where routers can send flows, host:port: the addresses that
// are listened on, wildcard ones replaced by those of the machine.
func Reachable(listening []netip.AddrPort) []string {
	return reachable(listening, machineAddresses())
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
