package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is the OpenAPI file as the daemon serves it.
type description struct {
	compiler *jsonschema.Compiler
	unasked  map[string]bool // operations that change something and were not asked yet
}

func (d *daemon) description() *description {
	d.t.Helper()
	text, err := d.get(d.http + "/api/v1/openapi.json")
	if err != nil {
		d.t.Fatal(err)
	}
	file, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		d.t.Fatal(err)
	}
	out := &description{compiler: jsonschema.NewCompiler(), unasked: map[string]bool{}}
	if err := out.compiler.AddResource("openapi.json", file); err != nil {
		d.t.Fatal(err)
	}
	for path, methods := range file.(map[string]any)["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			if method != "get" {
				out.unasked[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	return out
}

// check compares a JSON answer with what is described for an operation.
func (d *description) check(operation string, status int, body []byte) error {
	delete(d.unasked, operation)
	method, path, _ := strings.Cut(operation, " ")
	answer := "default"
	if status == http.StatusOK {
		answer = "200"
	}
	escape := strings.NewReplacer("/", "~1", "{", "%7B", "}", "%7D")
	schema, err := d.compiler.Compile("openapi.json#/paths/" + escape.Replace(path) + "/" + strings.ToLower(method) + "/responses/" + answer + "/content/application~1json/schema")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// TestChangesAndErrorsAreAsDescribed asks a daemon for everything that changes
// something, and for errors of each kind; TestDemo does so for what is only read.
func TestChangesAndErrorsAreAsDescribed(t *testing.T) {
	folder := t.TempDir()
	flowToolsFile(t, filepath.Join(folder, "ft-whole"), 40)
	d := newDaemon(t, "NFSTATS_IMPORT_FOLDER="+folder)
	d.start()
	d.send("127.0.0.7", betweenInterfaces(v5Datagram(0, 30)))
	d.expectNumber("the flows are stored", "SELECT count() FROM flows", 30)
	d.eventually("the interfaces are known", func() error {
		text, err := d.get(d.http + "/api/v1/interfaces?exporter=127.0.0.7")
		if err == nil && !strings.Contains(text, `"if_index":1,`) {
			err = fmt.Errorf("%.200s", text)
		}
		return err
	})
	described := d.description()
	for _, r := range []struct {
		operation string
		target    string // below /api/v1, if it is not the path of the operation
		body      string
		want      int
	}{
		{"POST /api/v1/login", "", `{"name": "a", "password": "b"}`, 401},
		{"POST /api/v1/login", "", `{`, 400},
		{"POST /api/v1/logout", "", "", 200},
		{"GET /api/v1/series", "/series?filter=x%20%3D", "", 400}, // with a position
		{"GET /api/v1/rdns", "/rdns?addr=192.0.2.1", "", 404},
		{"POST /api/v1/sql", "", `{"query": "SELECT count(), toString(any(src_addr)) FROM flows"}`, 200},
		{"POST /api/v1/sql", "", `{"query": "SELEC"}`, 400},
		{"PUT /api/v1/system/log_level", "", `{"level": "info"}`, 200},
		{"PUT /api/v1/system/log_level", "", `{"level": "loud"}`, 422},
		{"PUT /api/v1/system/retention", "", `{"flows": 9}`, 200},
		{"PUT /api/v1/system/retention", "", `{"max_disk": "much"}`, 422},
		{"PATCH /api/v1/interfaces/{exporter}/{ifIndex}", "/interfaces/127.0.0.7/1", `{"role": "uplink"}`, 200},
		{"PATCH /api/v1/interfaces/{exporter}/{ifIndex}", "/interfaces/127.0.0.7/1", `{"role": "none"}`, 422},
		{"PATCH /api/v1/interfaces/{exporter}/{ifIndex}", "/interfaces/127.0.0.7/999", `{}`, 404},
		{"POST /api/v1/devices", "", `{"address": "127.0.0.7", "name": "edge", "port": 9, "credential": {"version": "2c", "community": "words"}}`, 200},
		{"POST /api/v1/devices", "", `{"address": "nowhere"}`, 422},
		{"PATCH /api/v1/devices/{id}", "/devices/127.0.0.7", `{"name": "core"}`, 200},
		{"POST /api/v1/devices/{id}/discover", "/devices/127.0.0.7/discover", "", 200},
		{"DELETE /api/v1/devices/{id}", "/devices/127.0.0.7", "", 200},
		{"DELETE /api/v1/devices/{id}", "/devices/192.0.2.77", "", 404},
		{"POST /api/v1/calibration/accept", "", `{"exporter": "127.0.0.7", "if_index": 1, "direction": "in", "sampling_rate": 100}`, 200},
		{"POST /api/v1/calibration/accept", "", `{"exporter": "127.0.0.7", "if_index": 1, "direction": "up", "sampling_rate": 100}`, 422},
		{"POST /api/v1/imports", "", `{"path": "ft-whole", "format": "flow-tools"}`, 200},
		{"GET /api/v1/imports/files", "", "", 200},
		{"GET /api/v1/imports/files", "/imports/files?path=../..", "", 400},
		{"DELETE /api/v1/imports/jobs/{id}", "/imports/jobs/none", "", 404},
		{"DELETE /api/v1/imports/{id}", "/imports/00000000-0000-0000-0000-000000000000", "", 404},
	} {
		method, path, _ := strings.Cut(r.operation, " ")
		if r.target != "" {
			path = "/api/v1" + r.target
		}
		if strings.HasPrefix(path, "/api/v1/imports/0") {
			d.eventually("the import is over", func() error { return importIsOver(d) })
		}
		status, body := d.do(method, path, r.body)
		if status != r.want {
			t.Errorf("%s %s: status %d, want %d: %.300s", method, path, status, r.want, body)
		}
		if err := described.check(r.operation, status, body); err != nil {
			t.Errorf("%s %s: the answer is not what httpui/openapi.json says: %v\n%.300s", method, path, err, body)
		}
	}
	for operation := range described.unasked {
		t.Errorf("%s is described and not asked here: add a request to this test", operation)
	}
}

// do sends a request and returns the answer.
func (d *daemon) do(method, path, body string) (status int, answer []byte) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.http+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// importIsOver reports an import that still runs as an error.
func importIsOver(d *daemon) error {
	text, err := d.get(d.http + "/api/v1/imports/jobs")
	if err == nil && strings.Contains(text, `"state":"running"`) {
		err = fmt.Errorf("%.200s", text)
	}
	return err
}
