package httpui

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// decoderPatience bounds the wait for the decoders, which answer between two
// datagrams.
const decoderPatience = 5 * time.Second

// exporterAnswer is one exporter of GET /api/v1/exporters.
type exporterAnswer struct {
	store.Exporter
	Live *netflow.ExporterStatus `json:"live"` // null: silent since the daemon started
}

// exporters answers GET /api/v1/exporters?from=&to=: who sent flows in the time
// range or since the daemon started.
func (s *Server) exporters(r *http.Request) (any, error) {
	from, to, err := timeRange(r.URL.Query(), time.Now())
	if err != nil {
		return nil, err
	}
	stored, err := s.deps.Flows.Exporters(r.Context(), from, to)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(r.Context(), decoderPatience)
	defer cancel()
	live, err := s.deps.Live(asking)
	if err != nil {
		return nil, err
	}
	answers := make([]exporterAnswer, 0, len(stored))
	for _, e := range stored {
		answers = append(answers, exporterAnswer{Exporter: e})
	}
	for i := range live {
		at := slices.IndexFunc(answers, func(a exporterAnswer) bool { return a.Address == live[i].Address && a.Live == nil })
		if at < 0 { // nothing of it in the range, or several exporters behind one address
			at = len(answers)
			answers = append(answers, exporterAnswer{Exporter: store.Exporter{Address: live[i].Address}})
		}
		answers[at].Live = &live[i]
	}
	slices.SortStableFunc(answers, func(a, b exporterAnswer) int { return a.Address.Compare(b.Address) })
	return map[string]any{"from": from.Unix(), "to": to.Unix(), "exporters": answers, "sql": store.ExportersSQL(from, to)}, nil
}

// templates answers GET /api/v1/exporters/{address}/templates: the templates
// that the exporter has announced.
func (s *Server) templates(r *http.Request) (any, error) {
	address, err := netip.ParseAddr(r.PathValue("address"))
	if err != nil {
		return nil, badRequest("%q is not an address", r.PathValue("address"))
	}
	asking, cancel := context.WithTimeout(r.Context(), decoderPatience)
	defer cancel()
	templates, err := s.deps.Templates(asking, address)
	if err != nil {
		return nil, err
	}
	return map[string]any{"address": address, "templates": templates}, nil
}
