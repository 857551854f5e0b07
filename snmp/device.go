package snmp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Source says where a device comes from.
type Source string

// The sources of devices.
const (
	FromConfig Source = "config" // the configuration; cannot be changed here
	FromUI     Source = "ui"     // added while running, kept in the poller's file
)

// A Device is an exporter with an SNMP agent.
type Device struct {
	Address    netip.Addr `json:"address"`        // of the exporter, as flows have it
	Host       string     `json:"host,omitempty"` // where the agent listens, "" for Address
	Port       uint16     `json:"port"`
	Name       string     `json:"name,omitempty"`
	Credential Credential `json:"-"`
	Label      string     `json:"-"` // what the configuration calls the credential
	Source     Source     `json:"-"`
}

func (d Device) host() string {
	if d.Host != "" {
		return d.Host
	}
	return d.Address.String()
}

// Validate sets what is not given to its default and reports, as FieldErrors,
// what cannot work.
func (d *Device) Validate() error {
	problems := FieldErrors{}
	d.Address = d.Address.Unmap()
	if !d.Address.IsValid() || d.Address.IsUnspecified() || d.Address.IsMulticast() {
		problems["address"] = "is not the address of an exporter"
	}
	if d.Port == 0 {
		d.Port = 161
	}
	if len(d.Name) > 255 {
		problems["name"] = "is longer than 255 characters"
	}
	if strings.ContainsAny(d.Host, " /\t\n") || len(d.Host) > 253 {
		problems["host"] = "is neither a name nor an address"
	}
	var wrong FieldErrors
	if errors.As(d.Credential.Validate(), &wrong) {
		for field, message := range wrong {
			problems["credential."+field] = message
		}
	}
	return problems.orNil()
}

// Status is what the poller knows of a device.
type Status struct {
	Device
	CredentialName string // how it is called; nothing secret
	LastPoll       time.Time
	Latency        time.Duration // of the last answer to the smallest question
	Error          string        // of the last visit, "" if it went well; without failures, a remark
	Failures       int           // visits in a row that failed
	Interfaces     int           // found in the last walk
	System         System
	Discovery      Discovery
}

// Discovery is the state of the walk of a device's interfaces.
type Discovery struct {
	State string `json:"state"` // "", "running", "done" or "failed"
	Found int    `json:"found"` // interfaces
	Error string `json:"error"`
}

// storedDevice is a device as the file has it, with its secrets.
type storedDevice struct {
	Device
	Credential storedCredential `json:"credential"`
}

// storedCredential is a Credential that JSON shows as a whole.
type storedCredential Credential

// loadDevices reads the devices that were added; none where there is no file.
func loadDevices(path string) ([]Device, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the SNMP devices: %w", err)
	}
	var stored []storedDevice
	if err := json.Unmarshal(text, &stored); err != nil {
		return nil, fmt.Errorf("read the SNMP devices in %s: %w", path, err)
	}
	devices := make([]Device, 0, len(stored))
	for _, s := range stored {
		d := s.Device
		d.Credential, d.Source = Credential(s.Credential), FromUI
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("SNMP device %s in %s: %w", d.Address, path, err)
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// saveDevices replaces the file at once, readable by its owner alone.
func saveDevices(path string, devices []Device) error {
	stored := []storedDevice{}
	for _, d := range devices {
		stored = append(stored, storedDevice{d, storedCredential(d.Credential)})
	}
	text, err := json.MarshalIndent(stored, "", "  ")
	if err != nil {
		return fmt.Errorf("write the SNMP devices: %w", err)
	}
	if err := replaceFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("write the SNMP devices: %w", err)
	}
	return nil
}

func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
