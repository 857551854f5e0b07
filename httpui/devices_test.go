package httpui

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
)

// fakeInventory stands in for the store, whose own tests ask ClickHouse.
type fakeInventory struct {
	interfaces []store.Interface
	exporters  []store.KnownExporter
	counters   []store.Counter
	rows       []store.CalibrationRow
}

func (f *fakeInventory) Interfaces(_ context.Context, exporter netip.Addr) (some []store.Interface, err error) {
	for _, i := range f.interfaces {
		if !exporter.IsValid() || i.Exporter == exporter {
			some = append(some, i)
		}
	}
	return some, nil
}

func (f *fakeInventory) EditInterface(_ context.Context, edited store.Interface) error {
	for n := range f.interfaces {
		if f.interfaces[n].Exporter == edited.Exporter && f.interfaces[n].IfIndex == edited.IfIndex {
			f.interfaces[n].Edit = edited.Edit
		}
	}
	return nil
}

func (f *fakeInventory) KnownExporters(context.Context) ([]store.KnownExporter, error) {
	return f.exporters, nil
}

func (f *fakeInventory) ChangeExporter(_ context.Context, exporter netip.Addr, change func(*store.KnownExporter)) error {
	at := slices.IndexFunc(f.exporters, func(e store.KnownExporter) bool { return e.Address == exporter })
	if at < 0 {
		at = len(f.exporters)
		f.exporters = append(f.exporters, store.KnownExporter{Address: exporter})
	}
	change(&f.exporters[at])
	f.exporters[at].Name = f.exporters[at].EditedName
	return nil
}

func (f *fakeInventory) ForgetExporter(_ context.Context, exporter netip.Addr) error {
	f.exporters = slices.DeleteFunc(f.exporters, func(e store.KnownExporter) bool { return e.Address == exporter })
	return nil
}

func (f *fakeInventory) Counters(context.Context, netip.Addr, time.Time, time.Time) ([]store.Counter, error) {
	return f.counters, nil
}

func (f *fakeInventory) Calibration(_ context.Context, q store.CalibrationQuery) ([]store.CalibrationRow, error) {
	var rows []store.CalibrationRow
	for _, r := range f.rows {
		if (!q.Exporter.IsValid() || r.Exporter == q.Exporter) && (q.IfIndex == 0 || r.IfIndex == q.IfIndex) {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func (f *fakeInventory) CalibrationSQL(context.Context, store.CalibrationQuery) (string, error) {
	return "SELECT 1", nil
}

var edge = netip.MustParseAddr("192.0.2.1")

// inventoryServer returns a server with an inventory of one exporter with one interface.
func inventoryServer(t *testing.T) (*Server, *fakeInventory, *int) {
	t.Helper()
	s := testServer(t, &fakeFlows{})
	inventory := &fakeInventory{
		interfaces: []store.Interface{{Exporter: edge, IfIndex: 7, Name: "xe-7", IfName: "xe-7", Description: "Transit", Type: 6, Speed: 1e10, OperStatus: 1, Edit: store.Unedited}},
		exporters:  []store.KnownExporter{{Address: edge, Name: "edge1", Description: "Junos"}},
	}
	poller, err := snmp.New(snmp.Config{Interval: time.Minute, DiscoveryInterval: time.Hour, Timeout: time.Second, Concurrency: 1, File: filepath.Join(t.TempDir(), "devices.json"),
		Devices: []snmp.Device{{Address: netip.MustParseAddr("192.0.2.9"), Credential: snmp.Credential{Version: "2c", Community: "c0nfigured"}, Label: "core"}}},
		nil, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	s.deps.Inventory, s.deps.Poller = inventory, poller
	s.deps.Seen = func(netip.Addr, uint32) (store.Seen, string) {
		return store.Seen{SamplingRate: 1000}, "uplink"
	}
	s.deps.Lost = func(netip.Addr, time.Time, time.Time) float64 { return 0 }
	s.deps.RatesChanged = func(context.Context) error { changes++; return nil }
	return s, inventory, &changes
}

func send(s *Server, method, target, body string) (code int, answer string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:8080"
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestDevicesAreAddedChangedAndRemoved(t *testing.T) {
	s, inventory, _ := inventoryServer(t)
	const v3 = `{"version":"3","user":"reader","auth_protocol":"SHA-256","auth_password":"s3cret words","privacy_protocol":"AES","privacy_password":"m0re secret"}`
	for _, step := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/api/v1/devices", "", 200, `"source":"flows"`},
		{"GET", "/api/v1/devices", "", 200, `"credential":"core"`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.1","credential":{"version":"3"}}`, 422, `"credential.user":"is needed`},
		{"POST", "/api/v1/devices", `{"address":"nowhere","credential":` + v3 + `}`, 422, `"address":"is not an address"`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.1","port":161}`, 422, `"credential":"is needed`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.6","name":"not polled"}`, 200, `"name":"not polled"`},
		{"DELETE", "/api/v1/devices/192.0.2.6", "", 200, `with its next flow`},
		{"DELETE", "/api/v1/devices/192.0.2.6", "", 404, `no such device`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.1","secret":1}`, 400, `unknown field`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.1","port":"x"}`, 422, `"port"`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.1","name":"Frankfurt","credential":` + v3 + `}`, 200, `"source":"ui"`},
		{"POST", "/api/v1/devices", `{"address":"192.0.2.1","credential":` + v3 + `}`, 422, `already`},
		{"GET", "/api/v1/devices", "", 200, `"credential":"v3 user reader"`},
		{"PATCH", "/api/v1/devices/192.0.2.1", `{"name":"FRA","port":1161}`, 200, `"port":1161`},
		{"PATCH", "/api/v1/devices/192.0.2.1", `{"address":"192.0.2.2"}`, 422, `cannot be changed`},
		{"PATCH", "/api/v1/devices/192.0.2.1", `{"host":"192.0.2.66"}`, 422, `"credential":"is needed again`},
		{"PATCH", "/api/v1/devices/192.0.2.1", `{"host":""}`, 200, `"port":1161`},
		{"PATCH", "/api/v1/devices/192.0.2.1", `{"host":"192.0.2.10","credential":` + v3 + `}`, 200, `"host":"192.0.2.10"`},
		{"PATCH", "/api/v1/devices/192.0.2.9", `{"name":"x"}`, 409, `configuration file`},
		{"PATCH", "/api/v1/devices/192.0.2.5", `{"port":5}`, 422, `"credential"`},
		{"PATCH", "/api/v1/devices/192.0.2.5", `{"name":"only a name"}`, 200, `"source":"flows"`},
		{"GET", "/api/v1/devices/192.0.2.1/discover", "", 200, `"state":""`},
		{"POST", "/api/v1/devices/192.0.2.1/discover", "", 200, `"state":"running"`},
		{"POST", "/api/v1/devices/192.0.2.77/discover", "", 404, `no such device`},
		{"DELETE", "/api/v1/devices/192.0.2.9", "", 409, `configuration file`},
		{"DELETE", "/api/v1/devices/192.0.2.1", "", 200, `"removed":"192.0.2.1"`},
		{"GET", "/api/v1/devices", "", 200, `"name":"FRA","source":"flows"`},
		{"DELETE", "/api/v1/devices/192.0.2.1", "", 200, `forgotten`},
		{"DELETE", "/api/v1/devices/192.0.2.1", "", 404, `no such device`},
		{"DELETE", "/api/v1/devices/192.0.2.99", "", 404, `no such device`},
	} {
		code, answer := send(s, step.method, step.path, step.body)
		if code != step.code || !strings.Contains(answer, step.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", step.method, step.path, step.body, code, answer, step.code, step.want)
		}
		for _, secret := range []string{"s3cret", "m0re", "c0nfigured"} {
			if strings.Contains(answer, secret) {
				t.Errorf("%s %s shows a secret: %s", step.method, step.path, answer)
			}
		}
	}
	if len(inventory.exporters) != 1 || inventory.exporters[0].EditedName != "only a name" {
		t.Errorf("%+v", inventory.exporters)
	}
}

func TestInterfacesAreShownAndEdited(t *testing.T) {
	s, inventory, changes := inventoryServer(t)
	now := time.Now()
	for m := range 3 {
		inventory.counters = append(inventory.counters, store.Counter{Exporter: edge, IfIndex: 7, AtMs: now.UnixMilli() + int64(60_000*m), UptimeMs: uint64(60_000 * m), InOctets: uint64(60e6 * m / 8), OutOctets: uint64(120e6 * m / 8), Bits: 64})
	}
	inventory.rows = []store.CalibrationRow{{Way: store.Way{Exporter: edge, IfIndex: 7, Direction: "in"}, Bucket: now.Unix(), SNMPOctets: 1000, FlowOctets: 750, Coverage: 0.75, Status: "applied", Final: true}}
	code, answer := send(s, "GET", "/api/v1/interfaces?exporter=192.0.2.1", "")
	var got struct{ Interfaces []map[string]any }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || code != http.StatusOK || len(got.Interfaces) != 1 {
		t.Fatalf("%d %s %v", code, answer, err)
	}
	for field, want := range map[string]any{"exporter_name": "edge1", "suggested_role": "uplink", "sampled": nil, "suggested_sampled": true, "overhead": 18.0, "offered": true,
		"snmp_in_bps": 1e6, "snmp_out_bps": 2e6, "flow_in_bps": 20.0, "coverage_in": 0.75, "status_in": "applied", "coverage_out": nil, "status_out": "none", "oper_status": "up"} {
		if got.Interfaces[0][field] != want {
			t.Errorf("%s is %v, want %v", field, got.Interfaces[0][field], want)
		}
	}
	const path = "/api/v1/interfaces/192.0.2.1/7"
	for _, step := range []struct {
		path, body string
		code       int
		want       string
	}{
		{path, `{"role":"uplink","overhead":22,"sampled":false,"force":true,"description":"Transit A"}`, 200, `"overhead":22`},
		{path, `{"sampling_rate_override":2048}`, 200, `"sampling_rate_override":2048`},
		{path, `{"role":"moat","overhead":-1,"sampled":"x","sampling_rate_override":1.5,"force":3,"name":"a\nb"}`, 422, `"errors":{"force":"is neither true nor false","name":`},
		{path, `{"overhead":null,"sampled":null}`, 200, `"overhead":18`},
		{"/api/v1/interfaces/192.0.2.1/8", `{}`, 404, "no such interface"},
		{"/api/v1/interfaces/x/8", `{}`, 400, "not an address"},
	} {
		if code, answer := send(s, "PATCH", step.path, step.body); code != step.code || !strings.Contains(answer, step.want) {
			t.Errorf("%s %s: %d %s", step.path, step.body, code, answer)
		}
	}
	if want := (store.InterfaceEdit{Role: "uplink", Overhead: -1, Sampled: -1, SamplingRate: 2048, Force: true, Description: "Transit A"}); inventory.interfaces[0].Edit != want || *changes != 1 {
		t.Errorf("%+v after %d changes of rates", inventory.interfaces[0].Edit, *changes)
	}
}

// An interface whose noise makes 1024 of 1000 is overruled by the others of its
// exporter, also where only it is asked for.
func TestUsualRateOfTheExporter(t *testing.T) {
	s, inventory, _ := inventoryServer(t)
	for index, coverage := range map[uint32]float64{7: 0.1 / 1.02, 8: 0.1, 9: 0.1} {
		for b := range 12 {
			inventory.rows = append(inventory.rows, store.CalibrationRow{Way: store.Way{Exporter: edge, IfIndex: index, Direction: "in"}, Bucket: 1_800_000_000 + int64(300*b),
				SNMPOctets: 1e9, FlowOctets: 1e9 * coverage, FlowPackets: 50000, SamplingRate: 100, Coverage: coverage, Factor: 1 / coverage, Status: "refused", Reason: "flows show less than SNMP", Final: true})
		}
	}
	for _, path := range []string{"/api/v1/calibration?exporter=192.0.2.1&if_index=7", "/api/v1/calibration?exporter=192.0.2.1"} {
		if _, answer := send(s, "GET", path, ""); !strings.Contains(answer, `"suggested_sampling_rate":1000`) || strings.Contains(answer, `"suggested_sampling_rate":1024`) {
			t.Errorf("%s: %s", path, answer)
		}
	}
}

func TestCalibrationIsDiagnosedAndAccepted(t *testing.T) {
	s, inventory, changes := inventoryServer(t)
	for _, direction := range []string{"in", "out"} {
		for b := range 12 {
			inventory.rows = append(inventory.rows, store.CalibrationRow{Way: store.Way{Exporter: edge, IfIndex: 7, Direction: direction}, Bucket: 1_800_000_000 + int64(300*b),
				SNMPOctets: 1e9, FlowOctets: 1e6, FlowPackets: 5000, SamplingRate: 1, Coverage: 0.001, Factor: 1000, Status: "refused", Reason: "flows show less than SNMP", Final: b < 11})
		}
	}
	code, answer := send(s, "GET", "/api/v1/calibration?exporter=192.0.2.1&if_index=7&direction=in", "")
	var got struct{ Interfaces []calibrationAnswer }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || code != http.StatusOK || len(got.Interfaces) != 1 {
		t.Fatalf("%d %s %v", code, answer, err)
	}
	a := got.Interfaces[0]
	if a.Kind != "rate_missing" || a.SuggestedRate != 1000 || !strings.Contains(a.Diagnosis, "1:1000") || !strings.Contains(a.Fix, "set forwarding-options") || len(a.Buckets) != 12 ||
		a.Buckets[0].CalibratedBps != a.Buckets[0].FlowsBps || *a.Buckets[0].SNMPBps != 8e9/300 || *a.Coverage != 0.001 || a.Status != "refused" {
		t.Errorf("%+v", a)
	}
	if _, answer := send(s, "GET", "/api/v1/calibration", ""); strings.Contains(answer, "snmp_bps") || strings.Count(answer, `"direction"`) != 2 {
		t.Errorf("buckets of everything: %s", answer)
	}
	for _, step := range []struct {
		body string
		code int
		want string
	}{
		{`{"exporter":"192.0.2.1","if_index":7,"direction":"in","sampling_rate":1000}`, 200, `"applies_to":"interface"`},
		{`{"exporter":"192.0.2.1","if_index":7,"direction":"out","sampling_rate":1000}`, 200, `"applies_to":"exporter"`},
		{`{"exporter":"192.0.2.1","if_index":7,"direction":"up","sampling_rate":1000}`, 422, `"direction"`},
		{`{"exporter":"192.0.2.1","if_index":7,"direction":"in","sampling_rate":0}`, 422, `"sampling_rate"`},
		{`{"exporter":"192.0.2.1","if_index":6,"direction":"in","sampling_rate":5}`, 404, `no such interface`},
	} {
		if code, answer := send(s, "POST", "/api/v1/calibration/accept", step.body); code != step.code || !strings.Contains(answer, step.want) {
			t.Errorf("%s: %d %s", step.body, code, answer)
		}
	}
	if _, answer := send(s, "GET", "/api/v1/calibration", ""); !strings.Contains(answer, "That rate is set now") || strings.Contains(answer, `"suggested_sampling_rate":1000`) {
		t.Errorf("suggested again: %s", answer)
	}
	if inventory.interfaces[0].Edit.SamplingRate != 1000 || inventory.exporters[0].SamplingRate != 1000 || *changes != 2 {
		t.Errorf("%+v %+v after %d changes", inventory.interfaces, inventory.exporters, *changes)
	}
}
