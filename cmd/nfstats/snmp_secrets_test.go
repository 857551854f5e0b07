package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCredentialsAreShownNowhere puts secrets of devices where operators put
// them, in the configuration and over the API, right ones and wrong ones, and looks
// for them wherever the daemon answers or writes.
func TestCredentialsAreShownNowhere(t *testing.T) {
	port := snmpd(t)
	secrets := []string{"configured-community", "configured words", "authentic words", "private words", "mistyped-words", "sh0rt", "broken-input-words"}
	file := filepath.Join(t.TempDir(), "nfstats.yaml")
	config := `snmp:
  interval: 1s
  timeout: 500ms
  credentials:
    - {name: one, community: configured-community}
    - {name: two, user: other, auth_protocol: SHA-256, auth_password: configured words, privacy_protocol: AES, privacy_password: configured words}
  devices:
    - {address: 127.0.0.8, host: 127.0.0.1, port: ` + port + `, credential: one}
    - {address: 127.0.0.9, host: 127.0.0.1, port: ` + port + `, credential: two}
`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t, "NFSTATS_CONFIG="+file) // which logs at level debug
	var shown []string
	show := func(what, text string) {
		t.Helper()
		shown = append(shown, text)
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q: %.400s", what, secret, text)
			}
		}
	}
	show("nfstats check", d.mustOutput("check"))
	d.start()
	v3 := func(authentication, privacy string) string {
		return `{"version":"3","user":"reader","auth_protocol":"SHA-256","auth_password":"` + authentication + `","privacy_protocol":"AES","privacy_password":"` + privacy + `"}`
	}
	for _, step := range []struct{ method, path, body string }{
		{"POST", "devices", `{"address":"127.0.0.7","host":"127.0.0.1","port":` + port + `,"credential":` + v3("authentic words", "private words") + `}`},
		{"POST", "devices", `{"address":"127.0.0.6","host":"127.0.0.1","port":` + port + `,"credential":` + v3("mistyped-words", "private words") + `}`},
		{"POST", "devices", `{"address":"127.0.0.5","credential":` + v3("sh0rt", "sh0rt") + `}`},
		{"POST", "devices", `{"address":"127.0.0.5","credential":{"version":"2c","community":["broken-input-words"]}}`},
		{"POST", "devices", `{"address":"127.0.0.5","credential":{"version":"broken-input-words","unknown":1}}`},
		{"POST", "devices", `{"address":"127.0.0.5","credential":{"version":"2c","community":"broken-input-words"`},
		{"PATCH", "devices/127.0.0.7", `{"name":"edge"}`},
		{"PATCH", "devices/127.0.0.7", `{"credential":` + v3("authentic words", "private words") + `}`},
		{"PATCH", "devices/127.0.0.8", `{"credential":` + v3("mistyped-words", "mistyped-words") + `}`},
		{"POST", "devices/127.0.0.7/discover", ""},
	} {
		_, answer := d.api(step.method, step.path, step.body)
		show(step.method+" "+step.path, answer)
	}
	d.eventually("the right ones are good", func() error {
		_, err := d.number("SELECT if(count() > 0, 1, throwIf(1)) FROM if_counters WHERE exporter_addr = toIPv6('127.0.0.7')")
		return err
	})
	for _, path := range []string{"/api/v1/devices", "/api/v1/devices/127.0.0.7/discover", "/api/v1/interfaces", "/api/v1/exporters", "/api/v1/status", "/api/v1/system", "/api/v1/calibration",
		"/api/v1/complete?what=exporter&q=", "/api/v1/system/retention", "/metrics", "/healthz", "/readyz", "/", "/settings"} {
		text, _ := d.get(d.http + path)
		if text == "" {
			t.Errorf("%s says nothing", path)
		}
		show(path, text)
	}
	kept := filepath.Join(d.dir, "snmp-devices.json")
	if text, err := os.ReadFile(kept); err != nil || !strings.Contains(string(text), "private words") {
		t.Errorf("the file does not keep them: %v", err)
	}
	if info, err := os.Stat(kept); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v: %v", info.Mode(), err)
	}
	for _, sql := range []string{"SELECT * FROM file('" + kept + "', 'RawBLOB')", "SELECT * FROM file('../../snmp-devices.json', 'RawBLOB')", "SELECT * FROM exporters", "SELECT * FROM interfaces", "SELECT query FROM system.processes"} {
		_, err := d.query(sql)
		if rows, _ := d.query(sql); err == nil {
			for _, row := range rows {
				for _, value := range row {
					if text, ok := value.(string); ok {
						show(sql, text)
					}
				}
			}
		} else {
			show(sql, err.Error())
		}
	}
	d.stop()
	show("the log", d.log.String())
	if len(strings.Join(shown, "")) < 10_000 {
		t.Error("there was hardly anything to look at")
	}
}
