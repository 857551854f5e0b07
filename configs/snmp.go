package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// SNMP configures the polling of devices.
type SNMP struct {
	Interval          time.Duration    `mapstructure:"interval"`
	DiscoveryInterval time.Duration    `mapstructure:"discovery_interval"`
	Timeout           time.Duration    `mapstructure:"timeout"`
	Retries           int              `mapstructure:"retries"`
	Concurrency       int              `mapstructure:"concurrency"`
	ActiveTimeout     time.Duration    `mapstructure:"active_timeout"`
	Credentials       []SNMPCredential `mapstructure:"credentials"`
	Devices           []SNMPDevice     `mapstructure:"devices"`
}

// SNMPCredential opens agents: by a community (v2c) or as a user (v3).
type SNMPCredential struct {
	Name            string `mapstructure:"name"`
	Community       string `mapstructure:"community"`
	User            string `mapstructure:"user"`
	AuthProtocol    string `mapstructure:"auth_protocol"`
	AuthPassword    string `mapstructure:"auth_password"`
	PrivacyProtocol string `mapstructure:"privacy_protocol"`
	PrivacyPassword string `mapstructure:"privacy_password"`
}

// String returns the credential with its secrets masked.
func (c SNMPCredential) String() string {
	if c.User == "" {
		return fmt.Sprintf("{name: %q, community: xxxxx}", c.Name)
	}
	return fmt.Sprintf("{name: %q, user: %q, auth_protocol: %q, auth_password: xxxxx, privacy_protocol: %q, privacy_password: xxxxx}", c.Name, c.User, c.AuthProtocol, c.PrivacyProtocol)
}

// GoString is String: %#v shows no secrets either.
func (c SNMPCredential) GoString() string { return c.String() }

// SNMPDevice is an exporter with an SNMP agent.
type SNMPDevice struct {
	Address    netip.Addr `mapstructure:"address"` // of the exporter
	Host       string     `mapstructure:"host"`    // of the agent, "" for the same
	Port       int        `mapstructure:"port"`    // 0: 161
	Name       string     `mapstructure:"name"`
	Credential string     `mapstructure:"credential"`
}

// String returns the device as it stands in a configuration file.
func (d SNMPDevice) String() string {
	return fmt.Sprintf("{address: %q, host: %q, port: %d, name: %q, credential: %q}", d.Address, d.Host, d.Port, d.Name, d.Credential)
}

// Credential returns the credential of a name.
func (s *SNMP) Credential(name string) (SNMPCredential, bool) {
	for _, c := range s.Credentials {
		if c.Name == name {
			return c, true
		}
	}
	return SNMPCredential{}, false
}

func (s *SNMP) validate(check func(key string, err error)) {
	for key, d := range map[string]time.Duration{"snmp.discovery_interval": s.DiscoveryInterval, "snmp.timeout": s.Timeout, "snmp.active_timeout": s.ActiveTimeout} {
		if d < 100*time.Millisecond || d > 24*time.Hour {
			check(key, fmt.Errorf("%s is not between 100ms and 24h", d))
		}
	}
	if s.Interval < time.Second || s.Interval > 5*time.Minute {
		check("snmp.interval", fmt.Errorf("%s is not between 1s and 5m", s.Interval))
	}
	if s.DiscoveryInterval < s.Interval {
		check("snmp.discovery_interval", errors.New("is shorter than snmp.interval"))
	}
	check("snmp.retries", between(s.Retries, 0, 10))
	check("snmp.concurrency", between(s.Concurrency, 1, 10_000))
	names := map[string]bool{}
	for _, c := range s.Credentials {
		switch {
		case c.Name == "" || names[c.Name]:
			check("snmp.credentials", fmt.Errorf("name %q is empty or stands twice", c.Name))
		case (c.Community == "") == (c.User == ""):
			check("snmp.credentials", fmt.Errorf("%s needs either a community or a user", c.Name))
		}
		names[c.Name] = true
	}
	addresses := map[netip.Addr]bool{}
	for _, d := range s.Devices {
		if !d.Address.IsValid() || addresses[d.Address] {
			check("snmp.devices", fmt.Errorf("address %q is missing or stands twice", d.Address))
		}
		addresses[d.Address] = true
		check("snmp.devices", between(d.Port, 0, 65535))
		if _, known := s.Credential(d.Credential); !known {
			check("snmp.devices", fmt.Errorf("%s: there is no credential %q", d.Address, d.Credential))
		}
	}
}
