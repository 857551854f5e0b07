package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What strangers could read or change is told by the check, the log and the page.
// The daemon's addresses are loopback ones by a name that is not known to mean them.
func TestWhatIsOpenIsTold(t *testing.T) {
	d := newDaemon(t)
	named := func(url string) string {
		return strings.Replace(strings.TrimPrefix(url, "http://"), "127.0.0.1", "LOCALHOST", 1)
	}
	d.env = append(d.env, "NFSTATS_HTTP_INSECURE=true", "NFSTATS_HTTP_LISTEN="+named(d.http),
		"NFSTATS_STORE_EMBEDDED_LISTEN="+named(d.sql))
	told := func(where, text string) {
		t.Helper()
		for _, key := range []string{"http.insecure: whoever reaches the web UI at LOCALHOST:",
			"store.embedded.listen: whoever reaches LOCALHOST:"} {
			if !strings.Contains(text, key) {
				t.Errorf("%s does not say %q:\n%s", where, key, text)
			}
		}
	}
	out, err := d.command("check").CombinedOutput()
	if err != nil {
		t.Errorf("check: %v", err)
	}
	told("check", string(out))
	d.start()
	told("the log", d.log.String())
	text, err := d.get(d.http + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Warnings []string }
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	told("the page's status", strings.Join(status.Warnings, "\n"))
	if out, err := newDaemon(t).command("check").CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
		t.Errorf("check of loopback addresses: %v %s", err, out)
	}
}
