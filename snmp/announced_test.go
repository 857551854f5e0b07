package snmp

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

func TestAnnouncedNamesAreKept(t *testing.T) {
	s := prepared(t)
	told := netflow.ExporterNames{Address: edge,
		VRFs:         []netflow.VRFName{{Domain: 1, ID: 0x60000001, Name: "customers"}},
		Applications: []netflow.ApplicationName{{Domain: 1, ID: "3:80", Name: "http", Description: "World Wide Web"}},
		Samplers:     []netflow.SamplerName{{Domain: 1, ID: 2, Name: "one-in-1000", Rate: 1000}},
	}
	k := NewKeeper(s, func(context.Context) ([]netflow.ExporterNames, error) { return []netflow.ExporterNames{told}, nil }, prometheus.NewRegistry(), zaptest.NewLogger(t))
	kept := func() map[string]store.AnnouncedName {
		t.Helper()
		if err := k.look(t.Context(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		rows, err := s.Conn().Query(t.Context(), "SELECT kind, observation_domain_id, id, name, description, sampling_rate FROM announced_names FINAL WHERE exporter_addr = toIPv6($1)", edge.String())
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		all := map[string]store.AnnouncedName{}
		for rows.Next() {
			var n store.AnnouncedName
			if err := rows.Scan(&n.Kind, &n.Domain, &n.ID, &n.Name, &n.Description, &n.SamplingRate); err != nil {
				t.Fatal(err)
			}
			all[n.Kind] = n
		}
		return all
	}
	want := map[string]store.AnnouncedName{
		"vrf":         {Kind: "vrf", Domain: 1, ID: "1610612737", Name: "customers"},
		"application": {Kind: "application", Domain: 1, ID: "3:80", Name: "http", Description: "World Wide Web"},
		"sampler":     {Kind: "sampler", Domain: 1, ID: "2", Name: "one-in-1000", SamplingRate: 1000},
	}
	if diff := cmp.Diff(want, kept()); diff != "" {
		t.Error(diff)
	}
	told.Samplers = []netflow.SamplerName{{Domain: 1, ID: 2, Name: "one-in-500", Rate: 500}}
	want["sampler"] = store.AnnouncedName{Kind: "sampler", Domain: 1, ID: "2", Name: "one-in-500", SamplingRate: 500}
	if diff := cmp.Diff(want, kept()); diff != "" {
		t.Error(diff)
	}
}
