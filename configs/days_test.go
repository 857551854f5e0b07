package configs

import (
	"strings"
	"testing"
)

// All that is accepted loads, from a file and from the environment, and is printed
// as it may be written.
func TestDaysThatRowsAreKept(t *testing.T) {
	for text, want := range map[string]Days{"1": 1, "400": 400, "36500": 36500, "0": 0, "forever": 0, " forever ": 0} {
		cfg, err := Load(writeFile(t, "store: {retention: {flows: "+text+"}}\n"), []string{"NFSTATS_STORE_RETENTION_FLOWS_1H=" + text})
		if err != nil || cfg.Store.Retention.Flows != want || cfg.Store.Retention.Flows1h != want || cfg.Validate() != nil {
			t.Errorf("%q: %+v, %v", text, cfg.Store.Retention, err)
		}
		var out strings.Builder
		if err := cfg.Print(&out); err != nil || !strings.Contains(out.String(), "    flows: "+want.String()+"\n") {
			t.Errorf("%q: %v\n%s", text, err, out.String())
		}
	}
	if got := Days(0).String() + " " + Days(7).String(); got != "forever 7" {
		t.Error(got)
	}
}
