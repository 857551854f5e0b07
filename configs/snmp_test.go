package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const snmpFile = `
snmp:
  interval: 30s
  credentials:
    - {name: core, user: nfstats, auth_protocol: SHA-256, auth_password: S3cretOne, privacy_protocol: AES, privacy_password: S3cretTwo}
    - {name: edge, community: S3cretThree}
  devices:
    - {address: 192.0.2.1, credential: core, name: fra1, port: 1161}
    - {address: "2001:db8::1", credential: edge, host: mgmt.example.net}
`

func TestSNMPSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nfstats.yaml")
	if err := os.WriteFile(path, []byte(snmpFile), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if d := c.SNMP.Devices; len(d) != 2 || d[0].Address.String() != "192.0.2.1" || d[0].Port != 1161 || d[1].Host != "mgmt.example.net" {
		t.Errorf("%+v", d)
	}
	if got, _ := c.SNMP.Credential("edge"); got.Community != "S3cretThree" {
		t.Error("the community's letters are not kept")
	}
	var out strings.Builder
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "S3cret") || !strings.Contains(out.String(), `user: "nfstats"`) {
		t.Errorf("printed: %s", out.String())
	}
}

func TestWrongSNMPIsNamed(t *testing.T) {
	for want, change := range map[string]func(*SNMP){
		"snmp.interval":      func(s *SNMP) { s.Interval = 0 },
		"is shorter than":    func(s *SNMP) { s.DiscoveryInterval = s.Interval / 2 },
		"either a community": func(s *SNMP) { s.Credentials = []SNMPCredential{{Name: "x"}} },
		"stands twice":       func(s *SNMP) { s.Credentials = []SNMPCredential{{Name: "x", User: "u"}, {Name: "x", User: "u"}} },
		`no credential "missing"`: func(s *SNMP) {
			s.Devices = []SNMPDevice{{Address: netip.MustParseAddr("192.0.2.1"), Credential: "missing"}}
		},
	} {
		c, err := Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(&c.SNMP)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
