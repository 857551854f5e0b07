package httpui

import (
	"context"
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/nfstats/nfstats/decoder/netflow"
)

func TestSetup(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	s.deps.Live = func(context.Context) ([]netflow.ExporterStatus, error) {
		one := netflow.ExporterStatus{Address: netip.MustParseAddr("192.0.2.1"), Counters: netflow.Counters{Datagrams: 3, Flows: 40}}
		return []netflow.ExporterStatus{one, one}, nil
	}
	address := served(t, s)
	for query, want := range map[string]string{"": "", "?router=127.0.0.5": "127.0.0.1"} {
		response, text := asked(t, "GET", address+"/api/v1/setup"+query, "")
		var answer setupAnswer
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 200 || answer.LocalAddress != want || answer.Received != (receivedAnswer{Exporters: 2, Datagrams: 6, Flows: 80}) ||
			len(answer.Receiving) != 1 || len(answer.Routers) < 18 {
			t.Errorf("%q: %d %.300s", query, response.StatusCode, text)
		}
	}
	for _, query := range []string{"router", "fe80::1%25lo", "127.0.0.1:22"} {
		if response, text := asked(t, "GET", address+"/api/v1/setup?router="+query, ""); response.StatusCode != 400 {
			t.Errorf("%s: %d %s", query, response.StatusCode, text)
		}
	}
}
