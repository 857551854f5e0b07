package archives

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is one to import.
type File struct {
	Path    string // "-" is standard input
	Size    int64  // octets
	Changed time.Time
}

// finder collects files and tells of those that are left out.
type finder struct {
	found   []File
	skipped func(path, why string)
}

// Find returns the files that paths name, sorted: files, folders with all below
// them, patterns, and "-". It calls skipped for each file that is left out.
func Find(paths []string, skipped func(path, why string)) ([]File, error) {
	f := &finder{skipped: skipped}
	for _, p := range paths {
		if p == "-" {
			f.found = append(f.found, File{Path: p})
			continue
		}
		names, err := filepath.Glob(p)
		if err != nil || len(names) == 0 {
			names = []string{p} // perhaps a name with [ in it; else the message says what is missing
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil && name != p { // of a pattern
				skipped(name, "cannot be read, or has gone")
				continue
			}
			if err != nil {
				return nil, err
			}
			if !info.IsDir() {
				f.take(name, info, len(names) == 1 && name == p)
			} else if err := f.walk(os.DirFS(name), ".", func(below string) string { return filepath.Join(name, below) }); err != nil {
				return nil, err
			}
		}
	}
	return f.sorted(), nil
}

// findBelow is Find for one file or folder of fsys.
func findBelow(fsys fs.FS, name string, skipped func(path, why string)) ([]File, error) {
	f := &finder{skipped: skipped}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f.take(name, info, true)
	} else if err := f.walk(fsys, name, func(below string) string { return below }); err != nil {
		return nil, err
	}
	return f.sorted(), nil
}

func (f *finder) sorted() []File {
	slices.SortFunc(f.found, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(f.found, func(a, b File) bool { return a.Path == b.Path })
}

// walk takes all files below a folder. Links to files are followed, links to
// folders are not: they may lead in circles.
func (f *finder) walk(fsys fs.FS, start string, pathOf func(below string) string) error {
	err := fs.WalkDir(fsys, start, func(below string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && below == start:
			return err
		case err != nil:
			f.skipped(pathOf(below), err.Error())
			return nil
		case entry.IsDir():
			return nil
		}
		info, err := fs.Stat(fsys, below)
		switch {
		case err != nil:
			f.skipped(pathOf(below), "cannot be read, or has gone")
		case info.IsDir():
			f.skipped(pathOf(below), "a link to a folder")
		default:
			f.take(pathOf(below), info, false)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for files: %w", err)
	}
	return nil
}

// take takes a file; one that is asked for by its name may look unfinished.
func (f *finder) take(name string, info fs.FileInfo, asked bool) {
	if why := notAnArchive(name, info.Mode()); why == "" || asked && info.Mode().IsRegular() {
		f.found = append(f.found, File{name, info.Size(), info.ModTime()})
	} else {
		f.skipped(name, why)
	}
}

// notAnArchive says why a file is not imported, "" if it is.
func notAnArchive(name string, mode fs.FileMode) string {
	name = path.Base(filepath.ToSlash(name))
	switch {
	case !mode.IsRegular():
		return "no regular file"
	case strings.HasPrefix(name, "tmp-"):
		return "flow-capture still writes it, or was killed (name it alone to import it)"
	case strings.Contains(name, ".current"):
		return "nfcapd still writes it, or was killed (name it alone to import it)"
	case strings.HasPrefix(name, "."):
		return "a hidden file"
	}
	return ""
}
