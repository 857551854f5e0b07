package configs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestRouters(t *testing.T) {
	all, err := Routers()
	if err != nil || len(all) < 18 {
		t.Fatalf("%d routers: %v", len(all), err)
	}
	documented, err := os.ReadFile("../docs/routers.md")
	if err != nil {
		t.Fatal(err)
	}
	placeholder := regexp.MustCompile(`\{[a-z]*\}`)
	for _, r := range all {
		for _, found := range placeholder.FindAllString(r.Text, -1) {
			if found != "{address}" && found != "{port}" && found != "{rate}" {
				t.Errorf("%s has %s, which nothing fills in", r.ID, found)
			}
		}
		if !strings.Contains(r.Text, "{address}") || !strings.Contains(r.Text, "{port}") || r.Name == "" || strings.HasPrefix(r.Name, "#") {
			t.Errorf("%s lacks its name, the address or the port", r.ID)
		}
		if !strings.Contains(strings.ToLower(r.Text), "snmp") || !strings.Contains(r.Text, "COMMUNITY") {
			t.Errorf("%s does not say how SNMP is read, which calibration needs", r.ID)
		}
		if !strings.Contains(string(documented), "routers/"+r.ID+".txt") {
			t.Errorf("docs/routers.md does not name %s", r.ID)
		}
	}
}
