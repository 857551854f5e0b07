package archives

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/ipas"
)

// The states of a Job.
const (
	JobRunning   = "running"
	JobDone      = "done"
	JobFailed    = "failed" // or not all files were read whole
	JobCancelled = "cancelled"
)

const (
	keptJobs     = 10
	keptMessages = 200 // of a job; the rest is counted
)

// What Jobs refuse.
var (
	ErrNoFolder = errors.New("no folder is set: import.folder in the configuration names the one to import from")
	ErrBusy     = errors.New("an import is running: wait for it, or cancel it")
	ErrNoJob    = errors.New("there is no such job, or it has ended")
)

// JobOptions say what to import.
type JobOptions struct {
	Path   string // file or folder below the folder of Jobs; "." for all of it
	DryRun bool
	Options
}

// Job is an import that runs, or has run since the daemon's start.
type Job struct {
	ID       string
	Options  JobOptions
	State    string // JobRunning, ...
	Error    string
	Progress State
	Ended    time.Time // zero while it runs
	Messages []Message // the first; of files that came in whole only those of a dry run
	LeftOut  int       // further messages
}

// JobsConfig says where files may come from.
type JobsConfig struct {
	Folder    string // "": nowhere
	Collector string // name, for column collector
	Parallel  int    // files read at once
}

// Jobs imports files below one folder inside the daemon, one job at a time.
type Jobs struct {
	config    JobsConfig
	flows     *store.Store
	retention *store.Retention
	networks  *ipas.Database
	logger    *zap.Logger

	start chan *running

	mu      sync.Mutex
	last    int    // ID
	jobs    []*Job // the newest first
	current *running
}

// running is a job with what it needs to run.
type running struct {
	job    *Job
	plan   *Plan
	ctx    context.Context
	cancel context.CancelFunc

	progress *Progress
}

// NewJobs returns Jobs that import into flows; networks may be nil.
func NewJobs(config JobsConfig, flows *store.Store, retention *store.Retention, networks *ipas.Database, logger *zap.Logger) *Jobs {
	return &Jobs{config: config, flows: flows, retention: retention, networks: networks, logger: logger, start: make(chan *running, 1)}
}

// Run runs the jobs that are started, until ctx ends. A job that is interrupted by
// that can be started again, and goes on.
func (j *Jobs) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-j.start:
			stop := context.AfterFunc(ctx, r.cancel)
			err := j.run(r)
			j.end(r, err)
			stop()
			r.cancel()
		}
	}
}

// Start starts a job and returns it. Its errors are ErrNoFolder, ErrBusy, an
// *OptionError, or one of finding the path.
func (j *Jobs) Start(o JobOptions) (Job, error) {
	plan, err := NewPlan(o.Options)
	if err != nil {
		return Job{}, err
	}
	root, err := j.root()
	if err != nil {
		return Job{}, err
	}
	defer root.Close()
	o.Path = path.Clean(cmp.Or(o.Path, "."))
	if _, err := root.Stat(o.Path); err != nil {
		return Job{}, &OptionError{"path", withoutPath(err)}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.current != nil {
		return Job{}, ErrBusy
	}
	j.last++
	r := &running{plan: plan, job: &Job{ID: strconv.Itoa(j.last), Options: o, State: JobRunning}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.progress = &Progress{Tell: func(m Message) { j.hear(r.job, m) }}
	r.progress.begin(nil)
	r.job.Progress = r.progress.State()
	j.current = r
	j.jobs = append([]*Job{r.job}, j.jobs[:min(len(j.jobs), keptJobs-1)]...)
	j.start <- r
	return *r.job, nil
}

// run imports what a job names.
func (j *Jobs) run(r *running) error {
	root, err := j.root()
	if err != nil {
		return err
	}
	defer root.Close()
	files, err := findBelow(root.FS(), r.job.Options.Path, func(name, why string) {
		r.progress.Skip(filepath.Join(j.config.Folder, name), why)
	})
	if err != nil {
		return err
	}
	for n := range files {
		files[n].Path = filepath.Join(j.config.Folder, files[n].Path)
	}
	open := func(name string) (*os.File, error) {
		below, err := filepath.Rel(j.config.Folder, name)
		if err != nil {
			return nil, err
		}
		return root.Open(below)
	}
	importer := &Importer{Plan: r.plan, Parallel: j.config.Parallel, Progress: r.progress, Open: open, Retention: j.retention}
	if !r.job.Options.DryRun {
		importer.Flows, importer.Collector, importer.Networks = j.flows, j.config.Collector, j.networks
	}
	return importer.Run(r.ctx, files)
}

func (j *Jobs) end(r *running, err error) {
	state := r.progress.State()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.current = nil
	job := r.job
	job.Progress, job.Ended = state, time.Now()
	switch {
	case r.ctx.Err() != nil:
		job.State = JobCancelled
	case err != nil:
		job.State, job.Error = JobFailed, err.Error()
	default:
		job.State = JobDone
	}
	j.logger.Info("import "+job.State, zap.String("path", job.Options.Path), zap.String("summary", state.Summary(job.Options.DryRun)), zap.String("error", job.Error))
}

// hear keeps a message.
func (j *Jobs) hear(job *Job, m Message) {
	if m.Kind == Known || m.Kind == Imported && !job.Options.DryRun {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(job.Messages) == keptMessages {
		job.LeftOut++
		return
	}
	job.Messages = append(job.Messages, m)
	if m.Kind != Imported {
		j.logger.Warn("import", zap.Stringer("message", m))
	}
}

// Jobs returns the last jobs, the newest first.
func (j *Jobs) Jobs() []Job {
	j.mu.Lock()
	current := j.current
	j.mu.Unlock()
	var state State
	if current != nil {
		state = current.progress.State() // takes a lock under which hear is called
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]Job, 0, len(j.jobs))
	for _, job := range j.jobs {
		copied := *job
		copied.Messages = slices.Clone(job.Messages)
		if current != nil && job == current.job && job.State == JobRunning {
			copied.Progress = state
		}
		all = append(all, copied)
	}
	return all
}

// Cancel ends a job that runs. What is in of its files stays; started again, it
// goes on.
func (j *Jobs) Cancel(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.current == nil || j.current.job.ID != id {
		return ErrNoJob
	}
	j.current.cancel()
	return nil
}

// Forget removes the flows of an import: store.ForgetImport, but ErrBusy while a
// job runs.
func (j *Jobs) Forget(ctx context.Context, id string) (store.Import, error) {
	j.mu.Lock()
	busy := j.current != nil
	j.mu.Unlock()
	if busy {
		return store.Import{}, ErrBusy
	}
	return j.flows.ForgetImport(ctx, id)
}

// List returns the newest imports, the newest first, and the totals of all.
func (j *Jobs) List(ctx context.Context, limit int) ([]store.Import, store.ImportTotals, error) {
	totals, err := j.flows.ImportTotals(ctx)
	if err != nil {
		return nil, totals, err
	}
	all, err := j.flows.Imports(ctx, limit)
	return all, totals, err
}

// Folder returns the folder that files may come from, "" for none.
func (j *Jobs) Folder() string { return j.config.Folder }
