//go:build linux && (amd64 || arm64)

package engine

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	// followInterval is the time between two looks at what the writer has. Rows
	// that it confirmed are seen a second later at most, by refresh_parts_interval.
	followInterval = 500 * time.Millisecond
	// reloadDelay is how long after the last change of its tables a dictionary is
	// loaded anew, for good: the reader must have seen the rows. While changes go on
	// it is loaded each reloadInterval.
	reloadDelay    = 1200 * time.Millisecond
	reloadInterval = 5 * time.Second
	// holdPatience is how long running statements may keep a table from being
	// attached anew before they are ended, and exitPatience how long before the
	// reader ends because ClickHouse cannot end them. New statements wait for that.
	holdPatience = 3 * time.Second
	exitPatience = 6 * time.Second
	// retryInterval is the time between the first two attempts at what could not be
	// attached; it doubles up to maxRetryInterval.
	retryInterval    = 10 * time.Second
	maxRetryInterval = 10 * time.Minute
	// cacheDelay is how long after a part was removed ClickHouse's caches by names of
	// parts are emptied again: until then statements may have filled them.
	cacheDelay = (readOnlySeconds + 15) * time.Second
)

// A follower makes the writer's database that of the reader: the same tables,
// attached from the same folder, which this process cannot write. Tables that are
// created, altered or dropped are followed, and so are parts: ClickHouse itself
// finds new ones, but not that one was removed without another in its place.
type follower struct {
	gate

	data, scratch string // ClickHouse's folder and the reader's
	database      string
	endStatements func() // ends those of users
	logger        *zap.Logger

	mu      sync.Mutex // one pass at a time
	conn    *connection
	objects map[string]*object // by file of their definition
	told    map[string]string  // why users cannot see an object, by name
	clear   time.Time          // when caches are due; zero: never
	renewed time.Time          // when all tables were last attached anew
}

// An object is a table, view or dictionary of the writer.
type object struct {
	definition
	file     string      // with its definition, in the folder of the database
	version  fileVersion // that the definition was read from
	attached bool
	failures int
	retry    time.Time // when to try again what could not be attached

	checked time.Time           // when the folder of its parts had last changed at the last look
	parts   map[string]partFile // what was in that folder then

	changed  time.Time // when a table that the dictionary reads from last changed
	reloaded time.Time // when it was last loaded
	dirty    bool      // it has not been loaded since the change was seen
}

// A fileVersion changes when ClickHouse writes a file anew, which it does by
// renaming another one.
type fileVersion struct {
	inode    uint64
	modified time.Time
	size     int64
}

// run keeps up with the writer until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ticker := time.NewTicker(followInterval); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
			f.pass()
		}
	}
}

// look passes over all tables' parts, whether their folders have changed or not.
// Where what a statement read made no sense, all are attached anew, once a minute
// at most: statements can bring about such errors by themselves.
func (f *follower) look(senseless bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	anew := senseless && time.Since(f.renewed) > time.Minute
	if anew {
		f.renewed = time.Now()
	}
	for _, o := range f.objects {
		o.checked = time.Time{}
		if anew {
			o.attached, o.retry = false, time.Time{}
		}
	}
	f.passLocked()
}

// pass looks once at what the writer has and follows it.
func (f *follower) pass() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passLocked()
}

func (f *follower) passLocked() {
	found, err := f.read()
	if err != nil {
		f.tell("", "read ClickHouse's tables for users: "+err.Error())
		return
	}
	gone, made := f.compare(found)
	for _, o := range f.stale(found) {
		gone, made = append(gone, o), append(made, o)
	}
	f.objects = found
	if len(gone)+len(made) > 0 {
		f.replace(gone, made)
	}
	if !f.clear.IsZero() && time.Now().After(f.clear) {
		f.clearCaches()
		f.clear = time.Time{}
	}
	f.reloadDictionaries()
}

// compare tells which of the known objects are gone and which of the found ones
// must be made. One that must be made anew is in both. What has not changed stays
// in found as it was.
func (f *follower) compare(found map[string]*object) (gone, made []*object) {
	for file, o := range f.objects {
		if found[file] == nil {
			gone = append(gone, o)
		}
	}
	for file, o := range found {
		before := f.objects[file]
		switch {
		case before == nil:
			made = append(made, o)
		case before.sql != o.sql, !before.attached && time.Now().After(before.retry):
			if before.sql == o.sql {
				o.failures = before.failures
			}
			gone, made = append(gone, before), append(made, o)
		default: // at most what only who writes needs has changed
			before.version = o.version
			found[file] = before
		}
	}
	return gone, made
}

// read returns the writer's objects by file. Those whose file has not changed are
// those that are known.
func (f *follower) read() (map[string]*object, error) {
	folder := filepath.Join(f.data, "metadata", f.database)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // before the first migration
	} else if err != nil {
		return nil, err
	}
	found := map[string]*object{}
	for _, entry := range entries {
		escaped, isDefinition := strings.CutSuffix(entry.Name(), ".sql")
		name, err := url.PathUnescape(escaped)
		if !isDefinition || err != nil {
			continue
		}
		known := f.objects[entry.Name()]
		info, err := entry.Info()
		var text []byte
		if err == nil {
			if known != nil && known.version == versionOf(info) {
				found[entry.Name()] = known
				continue
			}
			text, err = os.ReadFile(filepath.Join(folder, entry.Name()))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		} else if err != nil {
			return nil, err
		}
		d, err := readDefinition(f.database, name, string(text))
		if err != nil {
			f.tell(name, "users cannot read "+name+": "+err.Error())
			continue
		}
		found[entry.Name()] = &object{definition: d, file: entry.Name(), version: versionOf(info)}
	}
	return found, nil
}

func versionOf(info fs.FileInfo) fileVersion {
	return fileVersion{inodeOf(info), info.ModTime(), info.Size()}
}

func inodeOf(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// replace takes away what is gone and makes what is new, while no statement
// begins. An object in both is made anew.
func (f *follower) replace(gone, made []*object) {
	open := f.shut()
	defer open()
	for _, o := range gone {
		f.remove(o)
	}
	if len(gone) > 0 {
		f.clearCaches()
		f.clear = time.Now().Add(cacheDelay)
	}
	slices.SortFunc(made, func(a, b *object) int { // views read from tables and dictionaries
		return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
	for _, o := range made {
		o.checked, o.parts = time.Time{}, nil
		if o.kind == kindTable { // before it is attached: what has changed by then is attached anew
			o.parts, _ = f.partFiles(o)
		}
		f.make(o)
	}
}

func (f *follower) remove(o *object) {
	o.attached = false
	statement := "DETACH TABLE IF EXISTS "
	switch o.kind {
	case kindDictionary:
		statement = "DROP DICTIONARY IF EXISTS "
	case kindView:
		statement = "DROP VIEW IF EXISTS "
	}
	if _, _, err := f.conn.exec(statement+f.qualified(o), "Null", nil); err != nil {
		f.tell(o.name, "take "+o.name+" away from users: "+err.Error())
	}
	if o.kind == kindTable { // else ClickHouse would take the name for taken
		os.Remove(filepath.Join(f.scratch, "metadata", f.database, o.file))
	}
}

// make attaches or creates an object. A table that running statements still read
// cannot be attached anew: they are ended after a while, and run again.
func (f *follower) make(o *object) {
	var e *exception
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, _, err := f.conn.exec(o.sql, "Null", nil)
		if err == nil {
			o.attached, o.failures = true, 0
			delete(f.told, o.name)
			return
		}
		if !errors.As(err, &e) || e.code != codeTableExists {
			f.failed(o, err)
			return
		}
		if time.Since(began) > exitPatience {
			f.logger.Warn("ClickHouse cannot end a statement of a user that keeps table " + o.name +
				" from being attached anew; the process for users' SQL ends with it")
			os.Exit(1)
		}
		if time.Since(began) > holdPatience {
			f.endStatements()
		}
	}
}

// failed says why an object is not there, and when to try again: at once where
// memory was short.
func (f *follower) failed(o *object, err error) {
	f.tell(o.name, "users cannot read "+o.name+": "+err.Error())
	var e *exception
	if errors.As(err, &e) && e.code == codeMemoryLimit {
		o.retry = time.Now()
		return
	}
	o.retry = time.Now().Add(min(retryInterval<<min(o.failures, 10), maxRetryInterval))
	o.failures++
}

// tell logs what is wrong with an object, once until it changes.
func (f *follower) tell(name, message string) {
	if f.told[name] == message {
		return
	}
	f.told[name] = message
	f.logger.Warn(message)
}

func (f *follower) qualified(o *object) string {
	return quotedName(f.database) + "." + quotedName(o.name)
}
