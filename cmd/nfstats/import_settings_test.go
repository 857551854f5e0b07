package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// importJob is what the API tells of a job.
type importJob struct {
	ID, State, Error string
	Files            int
	Flows            uint64
	Messages         []struct {
		Kind, Path, Reason string
		Offset             *int64
	}
}

// api sends a request to the API and returns status and answer.
func (d *daemon) api(method, path, body string) (int, string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.http+"/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// importHere starts a job and waits for its end.
func (d *daemon) importHere(input string) importJob {
	d.t.Helper()
	status, body := d.api("POST", "imports", input)
	var started importJob
	if err := json.Unmarshal([]byte(body), &started); status != http.StatusOK || err != nil {
		d.t.Fatalf("%s: %d %s", input, status, body)
	}
	var answer struct{ Jobs []importJob }
	d.eventually("the import ends", func() error {
		_, body := d.api("GET", "imports/jobs", "")
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			return err
		}
		if answer.Jobs[0].ID != started.ID || answer.Jobs[0].State == "running" {
			return fmt.Errorf("%s", body)
		}
		return nil
	})
	return answer.Jobs[0]
}

func TestImportFromTheSettings(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	flowToolsFile(t, filepath.Join(outside, "secret"), 7)
	for path, to := range map[string]string{"away": outside, "ft-secret": filepath.Join(outside, "secret")} {
		if err := os.Symlink(to, filepath.Join(folder, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "2026"), 0o700); err != nil {
		t.Fatal(err)
	}
	flowToolsFile(t, filepath.Join(folder, "2026", "ft-a"), 100)
	cut := filepath.Join(folder, "2026", "ft-b")
	flowToolsFile(t, cut, 90)
	if err := os.Truncate(cut, 24+64*30+10); err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t, "NFSTATS_IMPORT_FOLDER="+folder)
	d.start()

	if _, body := d.api("GET", "imports/files", ""); !strings.Contains(body, `"name":"2026","folder":true`) || strings.Contains(body, `"size":472`) {
		t.Errorf("the folder: %s", body)
	}
	for _, path := range []string{"..", "../" + filepath.Base(outside), "away", "/etc", outside, "2026/../.."} {
		if status, body := d.api("GET", "imports/files?path="+url.QueryEscape(path), ""); status != http.StatusBadRequest {
			t.Errorf("list %s: %d %s", path, status, body)
		}
		if status, body := d.api("POST", "imports", fmt.Sprintf(`{"path": %q, "format": "flow-tools"}`, path)); status != http.StatusUnprocessableEntity {
			t.Errorf("import %s: %d %s", path, status, body)
		}
	}
	for input, want := range map[string]string{`{"format": "pcap"}`: `"format"`, `{"format": "nfdump", "since": "soon"}`: `"since"`, `{"format": "nfdump", "sampling": 0}`: `"sampling"`,
		`{"format": "nfdump", "exporter": "fra1"}`: `"exporter"`, `{"format": "nfdump", "mapping": "x"}`: `"mapping"`} {
		if status, body := d.api("POST", "imports", input); status != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", input, status, body)
		}
	}

	if job := d.importHere(`{"path": ".", "format": "flow-tools", "dry_run": true}`); job.Flows != 130 || job.State != "failed" {
		t.Errorf("dry run: %+v", job)
	}
	if got := d.scalar(importTotals); got != "(0,0)\t0\t0" {
		t.Errorf("a dry run left %s", got)
	}
	job := d.importHere(`{"path": ".", "format": "flow-tools", "sampling": 8}`)
	if job.Files != 2 || job.Flows != 130 || job.State != "failed" || job.Error == "" {
		t.Errorf("import: %+v", job)
	}
	kinds := map[string]string{}
	for _, m := range job.Messages {
		kinds[m.Kind] += m.Path + " " + m.Reason
		if m.Kind == "damaged" && (m.Offset == nil || *m.Offset != 1954) {
			t.Errorf("offset of %+v", m)
		}
	}
	if !strings.Contains(kinds["damaged"], cut+" truncated at octet 1954") || !strings.Contains(kinds["skipped"], "away") {
		t.Errorf("messages %q", kinds)
	}
	if got := d.scalar("SELECT count(), min(sampling_rate), any(toString(exporter_addr)) FROM flows"); got != "130\t8\t::ffff:192.0.2.1" {
		t.Errorf("imported %s", got)
	}
	var list struct {
		Folder  string
		Imports []struct{ ID, Path, State string }
		Totals  struct{ Files, Flows, Packets, Bytes uint64 }
	}
	_, body := d.api("GET", "imports", "")
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Folder != folder || list.Totals.Files != 2 || list.Totals.Flows != 130 || list.Totals.Bytes != 13000 {
		t.Errorf("list: %v %s", err, body)
	}
	if out := d.mustOutput("import", "flow-tools", filepath.Join(folder, "2026")); !strings.Contains(out, "2 in already") {
		t.Errorf("the command line does not know what the settings imported: %s", out)
	}
	for _, i := range list.Imports {
		if status, body := d.api("DELETE", "imports/"+i.ID, ""); status != http.StatusOK {
			t.Errorf("forget: %d %s", status, body)
		}
		if status, _ := d.api("DELETE", "imports/"+i.ID, ""); status != http.StatusNotFound {
			t.Errorf("forget twice: %d", status)
		}
	}
	if got := d.scalar(importTotals); got != "(0,0)\t0\t0" {
		t.Errorf("forgotten: %s", got)
	}

	flowToolsFileOf(t, filepath.Join(folder, "ft-old"), 3, time.Now().AddDate(0, 0, -20))
	if job := d.importHere(`{"path": "ft-old", "format": "flow-tools", "dry_run": true}`); job.Flows != 3 || !strings.Contains(fmt.Sprint(job.Messages), "table flows keeps 10") {
		t.Errorf("dry run of old flows: %+v", job)
	}
	if job := d.importHere(`{"path": "ft-old", "format": "flow-tools", "dry_run": true, "mapping": "exporter 192.0.2.1 192.0.2.9"}`); job.Flows != 3 || job.State != "done" {
		t.Errorf("with a mapping: %+v", job)
	}
}

func TestImportsOfTheSettingsAreOffAndCancelled(t *testing.T) {
	d := newDaemon(t)
	d.start()
	if status, body := d.api("POST", "imports", `{"format": "nfdump"}`); status != http.StatusConflict || !strings.Contains(body, "import.folder") {
		t.Errorf("off: %d %s", status, body)
	}
	d.stop()

	folder := t.TempDir()
	const records = 1_500_000
	flowToolsFile(t, filepath.Join(folder, "ft"), records)
	d.env = append(d.env, "NFSTATS_IMPORT_FOLDER="+folder)
	d.start()
	_, body := d.api("POST", "imports", `{"format": "flow-tools"}`)
	var job importJob
	if err := json.Unmarshal([]byte(body), &job); err != nil {
		t.Fatal(err)
	}
	if status, body := d.api("POST", "imports", `{"format": "flow-tools"}`); status != http.StatusConflict {
		t.Errorf("a second one: %d %s", status, body)
	}
	if status, body := d.api("DELETE", "imports/jobs/"+job.ID, ""); status != http.StatusOK {
		t.Errorf("cancel: %d %s", status, body)
	}
	d.eventually("the import is cancelled", func() error {
		if _, body := d.api("GET", "imports/jobs", ""); !strings.Contains(body, `"state":"cancelled"`) {
			return fmt.Errorf("%s", body)
		}
		return nil
	})
	if job := d.importHere(`{"format": "flow-tools"}`); job.State != "done" || job.Flows != records {
		t.Errorf("again: %+v", job)
	}
	if got, want := d.scalar(importTotals), fmt.Sprintf("(%d,%d)\t%d\t%d", records, records*100, records*100, records); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
