//go:build linux && (amd64 || arm64)

package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// followInterval is the time between two looks at what the writer has. Rows
	// that it confirmed are seen a second later at most, by refresh_parts_interval.
	followInterval = 500 * time.Millisecond
	// reloadDelay is how long after a change of its tables a dictionary is loaded
	// anew: the reader must have seen the rows.
	reloadDelay = 1200 * time.Millisecond
	// holdPatience is how long running statements may keep a table from being
	// attached anew before they are ended.
	holdPatience = 5 * time.Second
	// attachPatience bounds the time for which new statements wait for that.
	attachPatience = 20 * time.Second
	// retryInterval is the time between two attempts at what could not be attached.
	retryInterval = 10 * time.Second
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
}

// An object is a table, view or dictionary of the writer.
type object struct {
	definition
	file     string      // with its definition, in the folder of the database
	version  fileVersion // that the definition was read from
	attached bool
	retry    time.Time // when to try again what could not be attached
	checked  time.Time // when the folder of its parts had last changed at the last look
	reload   time.Time // when the dictionary is due; zero: never
}

// A fileVersion changes when ClickHouse writes a file anew, which it does by
// renaming another one.
type fileVersion struct {
	modified time.Time
	size     int64
}

// follow makes the database on a connection of the reader's own, takes what there
// is and keeps up with it until ctx ends. It fails where the tables' disk can be
// written: ClickHouse would merge their parts.
func (h *handler) follow(ctx context.Context, s spec, own *connection) error {
	functions, err := own.names("SELECT name FROM system.table_functions")
	if err != nil {
		return fmt.Errorf("list ClickHouse's table functions: %w", err)
	}
	h.users.forbidden = forbiddenFunctions(functions)
	if err := detachSystemTables(own); err != nil {
		return err
	}
	readOnly, err := own.names("SELECT is_read_only FROM system.disks WHERE name = '" + liveDisk + "'")
	if err != nil || !slices.Equal(readOnly, []string{"1"}) {
		return fmt.Errorf("ClickHouse does not take its folder for read-only: %v %v", readOnly, err)
	}
	if _, _, err = own.exec("CREATE DATABASE "+quotedName(s.Database)+" ENGINE = Atomic", "Null", nil); err != nil {
		return fmt.Errorf("make the reader's database: %w", err)
	}
	f := &follower{data: s.Data, scratch: s.Path, database: s.Database, conn: own, logger: h.logger,
		endStatements: h.endStatements, told: map[string]string{}}
	h.users.tables = f
	f.pass()
	h.running.Go(func() {
		f.run(ctx)
		own.close()
	})
	return nil
}

// detachSystemTables leaves the listed ones.
func detachSystemTables(own *connection) error {
	tables, err := own.names("SELECT name FROM system.tables WHERE database = 'system'")
	if err != nil {
		return fmt.Errorf("list ClickHouse's own tables: %w", err)
	}
	for _, name := range tables {
		if systemTables[name] {
			continue
		}
		if _, _, err := own.exec("DETACH TABLE system."+quotedName(name), "Null", nil); err != nil {
			return fmt.Errorf("keep users from ClickHouse's own tables: %w", err)
		}
	}
	return nil
}

// endStatements cancels those of users.
func (h *handler) endStatements() {
	c, err := h.library.open([]string{"--path=" + h.path})
	if err != nil {
		h.logger.Warn("end statements of users", zap.Error(err))
		return
	}
	defer c.close()
	if _, _, err := c.exec("KILL QUERY WHERE Settings['readonly'] = '1' ASYNC", "Null", nil); err != nil {
		h.logger.Warn("end statements of users", zap.Error(err))
	}
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

// pass looks once at what the writer has and follows it.
func (f *follower) pass() {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.read()
	if err != nil {
		f.tell("", "read ClickHouse's tables for users: "+err.Error())
		return
	}
	var gone, changed []*object
	for file, o := range f.objects {
		if found[file] == nil {
			gone = append(gone, o)
		}
	}
	for file, o := range found {
		before := f.objects[file]
		switch {
		case before == nil:
			changed = append(changed, o)
		case before.sql != o.sql, !before.attached && time.Now().After(before.retry):
			gone, changed = append(gone, before), append(changed, o)
		default: // at most what only who writes needs has changed
			before.version = o.version
			found[file] = before
		}
	}
	for _, o := range f.stale(found) {
		gone, changed = append(gone, o), append(changed, o)
	}
	f.objects = found
	if len(gone)+len(changed) > 0 {
		f.replace(gone, changed)
	}
	f.reloadDictionaries()
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
		info, err := entry.Info()
		if err != nil {
			continue // gone meanwhile
		}
		version := fileVersion{info.ModTime(), info.Size()}
		if known := f.objects[entry.Name()]; known != nil && known.version == version {
			found[entry.Name()] = known
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			continue
		}
		d, err := readDefinition(f.database, name, string(text))
		if err != nil {
			f.tell(name, "users cannot read "+name+": "+err.Error())
			continue
		}
		found[entry.Name()] = &object{definition: d, file: entry.Name(), version: version}
	}
	return found, nil
}

// stale returns the tables of which the reader has a part whose folder is gone,
// and puts dictionaries off that read from tables that have changed.
func (f *follower) stale(found map[string]*object) (stale []*object) {
	moved := map[string]*object{} // by name
	for _, o := range found {
		if o.kind != kindTable || !o.attached {
			continue
		}
		info, err := os.Stat(f.partsFolder(o))
		if err != nil || info.ModTime().Equal(o.checked) {
			continue
		}
		o.checked = info.ModTime()
		moved[o.name] = o
		f.putOff(found, o.name)
	}
	if len(moved) == 0 {
		return nil
	}
	var names []string
	for name := range moved {
		names = append(names, quotedText(name))
	}
	// What is asked first and not found on the disk then is gone for good.
	parts, _, err := f.conn.exec("SELECT table, name FROM system.parts WHERE active AND database = "+quotedText(f.database)+
		" AND table IN ("+strings.Join(names, ", ")+") FORMAT TSVRaw", "TSVRaw", nil)
	if err != nil {
		f.tell("", "list the parts of users' tables: "+err.Error())
		return nil
	}
	have := map[string]map[string]bool{}
	for name, o := range moved {
		have[name] = map[string]bool{}
		entries, err := os.ReadDir(f.partsFolder(o))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			have[name][entry.Name()] = true
		}
	}
	for line := range strings.Lines(string(parts)) {
		table, part, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !have[table][part] && moved[table] != nil {
			stale = append(stale, moved[table])
			delete(moved, table)
		}
	}
	return stale
}

// partsFolder is where ClickHouse keeps a table's parts.
func (f *follower) partsFolder(o *object) string {
	return filepath.Join(f.data, "store", o.uuid[:3], o.uuid)
}

// putOff marks the dictionaries that read from a table.
func (f *follower) putOff(found map[string]*object, table string) {
	for _, o := range found {
		if o.kind == kindDictionary && o.reload.IsZero() && strings.Contains(o.sql, f.database+"."+table) {
			o.reload = time.Now().Add(reloadDelay)
		}
	}
}

func (f *follower) reloadDictionaries() {
	for _, o := range f.objects {
		if o.kind != kindDictionary || !o.attached || o.reload.IsZero() || time.Now().Before(o.reload) {
			continue
		}
		o.reload = time.Time{}
		f.do(o, "SYSTEM RELOAD DICTIONARY "+f.qualified(o))
	}
}

// replace takes away what is gone and makes what is new, while no statement
// begins. An object in both is made anew.
func (f *follower) replace(gone, made []*object) {
	open := f.shut()
	defer open()
	for _, o := range gone {
		f.remove(o)
	}
	slices.SortFunc(made, func(a, b *object) int { // views read from tables and dictionaries
		return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
	for _, o := range made {
		o.attached = f.make(o)
		o.checked, o.retry = time.Time{}, time.Now().Add(retryInterval)
		if o.kind == kindDictionary {
			o.reload = time.Time{}
		}
	}
}

func (f *follower) remove(o *object) {
	o.attached = false
	switch o.kind {
	case kindTable:
		f.do(o, "DETACH TABLE IF EXISTS "+f.qualified(o))
		// Else ClickHouse would take the name for taken.
		os.Remove(filepath.Join(f.scratch, "metadata", f.database, o.file))
	case kindDictionary:
		f.do(o, "DROP DICTIONARY IF EXISTS "+f.qualified(o))
	case kindView:
		f.do(o, "DROP VIEW IF EXISTS "+f.qualified(o))
	}
}

// make attaches or creates an object. A table that running statements still read
// cannot be attached anew: they are ended after a while, and run again.
func (f *follower) make(o *object) bool {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, _, err := f.conn.exec(o.sql, "Null", nil)
		var e *exception
		if !errors.As(err, &e) || e.code != codeTableExists || time.Since(began) > attachPatience {
			return f.explain(o, err)
		}
		if time.Since(began) > holdPatience {
			f.endStatements()
		}
	}
}

func (f *follower) do(o *object, statement string) bool {
	_, _, err := f.conn.exec(statement, "Null", nil)
	return f.explain(o, err)
}

func (f *follower) explain(o *object, err error) (ok bool) {
	if err == nil {
		delete(f.told, o.name)
		return true
	}
	f.tell(o.name, "users cannot read "+o.name+": "+err.Error())
	return false
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
