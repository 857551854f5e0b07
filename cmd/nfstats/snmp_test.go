package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// snmpd runs net-snmp's agent, with the interfaces of this machine, until the
// test ends, and returns its UDP port.
func snmpd(t *testing.T) (port string) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // not in every user's
	if _, err := exec.LookPath("snmpd"); err != nil {
		lacking(t, "no snmpd: %v", err)
	}
	dir, address := t.TempDir(), freeAddress(t, "udp")
	config := "createUser reader SHA-256 \"authentic words\" AES \"private words\"\nrouser reader authpriv\nsysName edge1.example.net\n"
	if err := os.WriteFile(filepath.Join(dir, "snmpd.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("snmpd", "-f", "-Lo", "-C", "-c", filepath.Join(dir, "snmpd.conf"), "-I", "-smux,mteTrigger,mteTriggerConf", "udp:"+address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+filepath.Join(dir, "state"), "MIBS=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// call sends a request that changes something and returns the JSON answer.
func (d *daemon) call(method, path, body string) (map[string]any, error) {
	request, err := http.NewRequest(method, d.http+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %s %v", method, path, response.StatusCode, text, err)
	}
	var answer map[string]any
	return answer, json.Unmarshal(text, &answer)
}

// A device that is added over the API is discovered and polled, its interface
// names stand beside flows, and a sampling rate that is set reaches later flows:
// all of it over a kill -9.
func TestDeviceIsAddedAndPolled(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	port := snmpd(t)
	d := newDaemon(t, "NFSTATS_SNMP_INTERVAL=1s", "NFSTATS_SNMP_TIMEOUT=500ms")
	d.start()
	send := func(sequence uint32) {
		datagram := v5Datagram(sequence, 1)
		binary.BigEndian.PutUint16(datagram[24+12:], uint16(lo.Index)) // input
		d.send("127.0.0.7", datagram)
	}
	send(0)
	body := `{"address":"127.0.0.7","host":"127.0.0.1","port":` + port + `,"credential":{"version":"3","user":"reader","auth_protocol":"SHA-256",
		"auth_password":"authentic words","privacy_protocol":"AES","privacy_password":"private words"}}`
	answer, err := d.call("POST", "/api/v1/devices", body)
	if err != nil || strings.Contains(fmt.Sprint(answer), "words") {
		t.Fatalf("%v %v", answer, err)
	}
	polled := func() error {
		answer, err := d.get(fmt.Sprintf("%s/api/v1/interfaces?exporter=127.0.0.7", d.http))
		if err != nil || !strings.Contains(answer, `"name":"lo"`) || !strings.Contains(answer, `"exporter_name":"edge1.example.net"`) || !strings.Contains(answer, `"snmp_in_bps":`) || strings.Contains(answer, `"last_poll_ms":0`) {
			return fmt.Errorf("%v %s", err, answer)
		}
		return nil
	}
	d.eventually("the device is polled", polled)
	if _, err := d.call("PATCH", fmt.Sprintf("/api/v1/interfaces/127.0.0.7/%d", lo.Index), `{"name":"loopback","sampling_rate_override":50}`); err != nil {
		t.Fatal(err)
	}
	d.expectNumber("the flow's interface has its name", "SELECT count() FROM flows WHERE in_if_name = 'loopback' AND sampling_rate = 1", 1)
	d.kill()
	d.start()
	var sequence uint32
	d.eventually("the rate holds for later flows", func() error {
		sequence++
		send(sequence)
		if n, err := d.number("SELECT count() FROM flows WHERE in_if_name = 'loopback' AND sampling_rate = 50"); err != nil || n == 0 {
			return fmt.Errorf("%d flows %v", n, err)
		}
		return nil
	})
	before, err := d.number("SELECT count() FROM if_counters")
	if err != nil {
		t.Fatal(err)
	}
	d.eventually("the device is polled again", func() error {
		if n, err := d.number("SELECT count() FROM if_counters"); err != nil || n <= before {
			return fmt.Errorf("%d readings %v", n, err)
		}
		return nil
	})
	for _, s := range []string{"authentic words", "private words"} {
		if strings.Contains(d.log.String(), s) {
			t.Errorf("the log shows %q", s)
		}
	}
}
