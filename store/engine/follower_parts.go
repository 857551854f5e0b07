//go:build linux && (amd64 || arm64)

package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A partFile tells a part from another one of its name.
type partFile struct {
	inode    uint64
	modified time.Time
}

// stale returns the tables of which the reader has a part whose folder is gone, or
// is another one of that name; and marks dictionaries that read from tables that
// have changed.
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
		markDirty(found, o.name)
	}
	if len(moved) == 0 {
		return nil
	}
	// What is asked for first and not found on the disk then is gone for good.
	active, err := f.activeParts(moved)
	if err != nil {
		f.tell("", "list the parts of users' tables: "+err.Error())
		return nil
	}
	for name, o := range moved {
		now, err := f.partFiles(o)
		if err != nil {
			o.checked = time.Time{}
			continue
		}
		for _, part := range active[name] {
			before, known := o.parts[part]
			if file, there := now[part]; !there || known && file != before {
				stale = append(stale, o)
				break
			}
		}
		o.parts = now
	}
	return stale
}

// activeParts returns the names of the parts that the reader reads, by table.
func (f *follower) activeParts(tables map[string]*object) (map[string][]string, error) {
	var names []string
	for name := range tables {
		names = append(names, quotedText(name))
	}
	text, _, err := f.conn.exec("SELECT table, name FROM system.parts WHERE active AND database = "+quotedText(f.database)+
		" AND table IN ("+strings.Join(names, ", ")+")", "TSVRaw", nil)
	if err != nil {
		return nil, err
	}
	active := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		table, part, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		active[table] = append(active[table], part)
	}
	return active, nil
}

// partFiles returns what is in the folder of a table's parts, by name.
func (f *follower) partFiles(o *object) (map[string]partFile, error) {
	entries, err := os.ReadDir(f.partsFolder(o))
	if err != nil {
		return nil, err
	}
	files := map[string]partFile{}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		} else if err != nil {
			return nil, err
		}
		files[entry.Name()] = partFile{inodeOf(info), info.ModTime()}
	}
	return files, nil
}

// partsFolder is where ClickHouse keeps a table's parts.
func (f *follower) partsFolder(o *object) string {
	return filepath.Join(f.data, "store", o.uuid[:3], o.uuid)
}

// clearCaches empties ClickHouse's caches by names of parts: one may come back with
// other rows.
func (f *follower) clearCaches() {
	for _, cache := range []string{"MARK", "PRIMARY INDEX", "INDEX MARK", "UNCOMPRESSED"} {
		if _, _, err := f.conn.exec("SYSTEM DROP "+cache+" CACHE", "Null", nil); err != nil {
			f.tell("", "empty the cache of users' statements: "+err.Error())
		}
	}
}
