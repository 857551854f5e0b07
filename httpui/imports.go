package httpui

import (
	"errors"
	"net/http"
	"time"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/archives"
)

// maxImports bounds the list of imports: an archive of a year has 100,000 files.
const maxImports = 500

// importAnswer is an archive file that was imported.
type importAnswer struct {
	ID        string `json:"id"`
	State     string `json:"state"` // running, done, damaged or forgotten
	Path      string `json:"path"`
	Format    string `json:"format"`
	Error     string `json:"error"`
	Flows     uint64 `json:"flows"`
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
	FirstMs   *int64 `json:"first_ms"` // null: there are no flows
	LastMs    *int64 `json:"last_ms"`
	UpdatedMs int64  `json:"updated_ms"`
}

// importTotals are of the imports that are in.
type importTotals struct {
	Files   uint64 `json:"files"`
	Flows   uint64 `json:"flows"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// importsAnswer is GET /api/v1/imports.
type importsAnswer struct {
	Folder  string         `json:"folder"`  // that files may come from; "": none
	Imports []importAnswer `json:"imports"` // the newest 500
	Totals  importTotals   `json:"totals"`
}

// importing answers that there is nothing where the program has no imports.
func (s *Server) importing(do func(r *http.Request) (any, error)) func(r *http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if s.deps.Imports == nil {
			return nil, notFound("This program imports nothing.")
		}
		return do(r)
	}
}

func (s *Server) imports(r *http.Request) (any, error) {
	all, totals, err := s.deps.Imports.List(r.Context(), maxImports)
	if err != nil {
		return nil, err
	}
	answer := importsAnswer{Folder: s.deps.Imports.Folder(), Imports: []importAnswer{}, Totals: importTotals(totals)}
	for _, i := range all {
		answer.Imports = append(answer.Imports, importOf(i))
	}
	return answer, nil
}

func importOf(i store.Import) importAnswer {
	a := importAnswer{ID: i.ID, State: i.State, Path: i.Path, Format: i.Format, Error: i.Error,
		Flows: i.Flows, Packets: i.Packets, Bytes: i.Bytes, UpdatedMs: i.UpdatedAt.UnixMilli()}
	if i.Flows > 0 {
		first, last := i.FirstFlow.UnixMilli(), i.LastFlow.UnixMilli()
		a.FirstMs, a.LastMs = &first, &last
	}
	return a
}

// importFile is a file or folder below the folder that files may come from.
type importFile struct {
	Name      string `json:"name"`
	Folder    bool   `json:"folder"`
	Size      int64  `json:"size"`
	ChangedMs int64  `json:"changed_ms"`
	Skipped   string `json:"skipped"` // why it does not come in with its folder
}

func (s *Server) importFiles(r *http.Request) (any, error) {
	entries, more, err := s.deps.Imports.Files(r.URL.Query().Get("path"))
	if err != nil {
		if wrong, ok := errors.AsType[*archives.OptionError](err); ok {
			return nil, badRequest("%s: %v", r.URL.Query().Get("path"), wrong.Err)
		}
		return nil, importProblem(err)
	}
	files := []importFile{}
	for _, e := range entries {
		f := importFile{Name: e.Name, Folder: e.Folder, Size: e.Size, Skipped: e.Skipped}
		if !e.Changed.IsZero() {
			f.ChangedMs = e.Changed.UnixMilli()
		}
		files = append(files, f)
	}
	return map[string]any{"files": files, "truncated": more}, nil
}

// importInput is POST /api/v1/imports.
type importInput struct {
	Path     string `json:"path"`
	Format   string `json:"format"`
	Exporter string `json:"exporter"`
	Sampling uint32 `json:"sampling"`
	Since    string `json:"since"`
	Until    string `json:"until"`
	Mapping  string `json:"mapping"`
	DryRun   bool   `json:"dry_run"`
}

func (s *Server) startImport(r *http.Request) (any, error) {
	input := importInput{Sampling: 1}
	if err := readInput(r, &input); err != nil {
		return nil, err
	}
	job, err := s.deps.Imports.Start(archives.JobOptions{Path: input.Path, DryRun: input.DryRun, Options: archives.Options{Format: input.Format,
		Exporter: input.Exporter, Sampling: input.Sampling, Since: input.Since, Until: input.Until, Mapping: input.Mapping}})
	if err != nil {
		return nil, importProblem(err)
	}
	return jobOf(job), nil
}

// jobAnswer is an import that runs or ran since the daemon's start.
type jobAnswer struct {
	ID      string `json:"id"`
	State   string `json:"state"` // running, done, failed or cancelled
	Error   string `json:"error"`
	Path    string `json:"path"`
	Format  string `json:"format"`
	DryRun  bool   `json:"dry_run"`
	BeganMs int64  `json:"began_ms"`
	EndedMs *int64 `json:"ended_ms"` // null: it runs

	Files      int    `json:"files"`
	FilesDone  int    `json:"files_done"`
	Known      int    `json:"files_known"` // that were in already
	Damaged    int    `json:"files_damaged"`
	Unreadable int    `json:"files_unreadable"`
	TotalBytes int64  `json:"file_bytes"`
	ReadBytes  int64  `json:"file_bytes_read"`
	LeftMs     *int64 `json:"left_ms"` // null: not known
	Records    int64  `json:"records"` // read
	Flows      uint64 `json:"flows"`   // that came in, or would
	Packets    uint64 `json:"packets"`
	Bytes      uint64 `json:"bytes"`

	Messages []importMessage `json:"messages"`
	LeftOut  int             `json:"messages_left_out"`
}

// importMessage tells of one file.
type importMessage struct {
	Kind   archives.Kind `json:"kind"`
	Path   string        `json:"path"`   // "": of the import as a whole
	Offset *int64        `json:"offset"` // of the damage, in octets; null: there is none
	Reason string        `json:"reason"`
}

func (s *Server) importJobs(*http.Request) (any, error) {
	jobs := []jobAnswer{}
	for _, j := range s.deps.Imports.Jobs() {
		jobs = append(jobs, jobOf(j))
	}
	return map[string]any{"jobs": jobs}, nil
}

func jobOf(j archives.Job) jobAnswer {
	p := j.Progress
	a := jobAnswer{ID: j.ID, State: j.State, Error: j.Error, Path: j.Options.Path, Format: j.Options.Format, DryRun: j.Options.DryRun, BeganMs: p.Began.UnixMilli(),
		Files: p.Files, FilesDone: p.FilesDone, Known: p.Known, Damaged: p.Damaged, Unreadable: p.Unreadable,
		TotalBytes: p.TotalBytes, ReadBytes: p.ReadBytes, Records: p.Records, Flows: p.Flows, Packets: p.Packets, Bytes: p.Bytes,
		Messages: []importMessage{}, LeftOut: j.LeftOut}
	if !j.Ended.IsZero() {
		ended := j.Ended.UnixMilli()
		a.EndedMs = &ended
	} else if left, ok := p.Left(time.Now()); ok {
		ms := left.Milliseconds()
		a.LeftMs = &ms
	}
	for _, m := range j.Messages {
		message := importMessage{Kind: m.Kind, Path: m.Path, Reason: m.Reason}
		if m.Offset >= 0 {
			message.Offset = &m.Offset
		}
		a.Messages = append(a.Messages, message)
	}
	return a
}

func (s *Server) cancelImport(r *http.Request) (any, error) {
	if err := s.deps.Imports.Cancel(r.PathValue("id")); err != nil {
		return nil, importProblem(err)
	}
	return s.importJobs(r)
}

func (s *Server) forgetImport(r *http.Request) (any, error) {
	i, err := s.deps.Imports.Forget(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, importProblem(err)
	}
	return importOf(i), nil
}

// importProblem puts the errors of imports into words and a status.
func importProblem(err error) error {
	if wrong, ok := errors.AsType[*archives.OptionError](err); ok {
		return snmp.FieldErrors{wrong.Option: wrong.Err.Error()}
	}
	switch {
	case errors.Is(err, archives.ErrBusy):
		return &problem{status: http.StatusConflict, message: "An import is running. Wait for it, or cancel it."}
	case errors.Is(err, archives.ErrNoFolder):
		return &problem{status: http.StatusConflict, message: "No folder is set. Name one as import.folder in the configuration and restart nfstats."}
	case errors.Is(err, archives.ErrNoJob):
		return notFound("There is no such job, or it has ended.")
	case errors.Is(err, store.ErrNoImport):
		return notFound("There is no such import.")
	}
	return err
}
