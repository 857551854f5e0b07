package snmp

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// A Credential opens an agent. It is never printed: its texts leave out what is
// secret, and only the poller's own file holds it as a whole.
type Credential struct {
	Version string `json:"version"` // "2c" or "3"

	Community string `json:"community,omitempty"` // 2c

	User            string `json:"user,omitempty"`             // 3
	AuthProtocol    string `json:"auth_protocol,omitempty"`    // "", or a key of authProtocols
	AuthPassword    string `json:"auth_password,omitempty"`    // at least 8 characters, RFC 3414 §11.2
	PrivacyProtocol string `json:"privacy_protocol,omitempty"` // "", or a key of privacyProtocols
	PrivacyPassword string `json:"privacy_password,omitempty"`
}

// authProtocols are those of RFC 3414 and RFC 7860.
var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA-224": gosnmp.SHA224, "SHA-256": gosnmp.SHA256, "SHA-384": gosnmp.SHA384, "SHA-512": gosnmp.SHA512,
}

// privacyProtocols are those of RFC 3414 and RFC 3826, and what vendors make of
// longer keys: Reeder's way ("-C", Cisco's) and Blumenthal's.
var privacyProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
	"DES": gosnmp.DES, "AES": gosnmp.AES, "AES-192": gosnmp.AES192, "AES-256": gosnmp.AES256, "AES-192-C": gosnmp.AES192C, "AES-256-C": gosnmp.AES256C,
}

// protocolName reads "sha256", "SHA-256" and "sha_256" as one.
func protocolName[P any](protocols map[string]P, text string) (name string, known bool) {
	plain := strings.NewReplacer("-", "", "_", "", " ", "")
	for name := range protocols {
		if strings.EqualFold(plain.Replace(name), plain.Replace(text)) {
			return name, true
		}
	}
	if strings.EqualFold(plain.Replace(text), "AES128") {
		return "AES", true
	}
	return "", false
}

// FieldErrors tells what is wrong with the fields of an input, by their names.
type FieldErrors map[string]string

// Error lists them.
func (e FieldErrors) Error() string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(e)) {
		all = append(all, field+": "+e[field])
	}
	return strings.Join(all, "; ")
}

// orNil returns the errors, nil where there are none.
func (e FieldErrors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Validate completes the names of protocols and reports, as FieldErrors, what
// cannot work.
func (c *Credential) Validate() error {
	problems := FieldErrors{}
	switch strings.TrimPrefix(strings.ToLower(c.Version), "v") {
	case "2c", "2":
		c.Version = "2c"
		if c.Community == "" {
			problems["community"] = "is needed for version 2c"
		}
	case "3":
		c.Version = "3"
		c.validateUser(problems)
	default:
		problems["version"] = "is neither 2c nor 3"
	}
	return problems.orNil()
}

func (c *Credential) validateUser(problems FieldErrors) {
	if c.User == "" {
		problems["user"] = "is needed for version 3"
	}
	if c.AuthProtocol != "" || c.AuthPassword != "" {
		name, known := protocolName(authProtocols, c.AuthProtocol)
		if !known {
			problems["auth_protocol"] = "is none of " + strings.Join(slices.Sorted(maps.Keys(authProtocols)), ", ")
		}
		c.AuthProtocol = name
		if len(c.AuthPassword) < 8 {
			problems["auth_password"] = "needs at least 8 characters"
		}
	}
	if c.PrivacyProtocol != "" || c.PrivacyPassword != "" {
		name, known := protocolName(privacyProtocols, c.PrivacyProtocol)
		if !known {
			problems["privacy_protocol"] = "is none of " + strings.Join(slices.Sorted(maps.Keys(privacyProtocols)), ", ")
		}
		c.PrivacyProtocol = name
		if len(c.PrivacyPassword) < 8 {
			problems["privacy_password"] = "needs at least 8 characters"
		}
		if c.AuthProtocol == "" && problems["auth_protocol"] == "" {
			problems["auth_protocol"] = "is needed for privacy"
		}
	}
}

// String returns the credential without its secrets.
func (c Credential) String() string {
	if c.Version == "3" {
		return "v3 user " + c.User
	}
	return "v" + c.Version + " community"
}

// GoString is String: %#v shows no secrets either.
func (c Credential) GoString() string { return c.String() }

// MarshalJSON writes String, so that no answer and no log line can hold a secret.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// apply sets a client up.
func (c Credential) apply(client *gosnmp.GoSNMP) error {
	switch c.Version {
	case "2c":
		client.Version, client.Community = gosnmp.Version2c, c.Community
		return nil
	case "3":
		client.Version, client.SecurityModel, client.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.NoAuthNoPriv
		usm := &gosnmp.UsmSecurityParameters{UserName: c.User, AuthenticationProtocol: gosnmp.NoAuth, PrivacyProtocol: gosnmp.NoPriv}
		if c.AuthProtocol != "" {
			client.MsgFlags = gosnmp.AuthNoPriv
			usm.AuthenticationProtocol, usm.AuthenticationPassphrase = authProtocols[c.AuthProtocol], c.AuthPassword
		}
		if c.PrivacyProtocol != "" {
			client.MsgFlags = gosnmp.AuthPriv
			usm.PrivacyProtocol, usm.PrivacyPassphrase = privacyProtocols[c.PrivacyProtocol], c.PrivacyPassword
		}
		client.SecurityParameters = usm
		return nil
	}
	return errors.New("the device has no credential")
}
