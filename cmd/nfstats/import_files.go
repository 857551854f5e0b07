package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// skippedFile is one that is not imported.
type skippedFile struct{ path, why string }

// findArchives returns the files that paths name: files, folders with all below
// them, patterns, and "-".
func findArchives(paths []string) (found []string, skipped []skippedFile, err error) {
	take := func(path string, info fs.FileInfo, asked bool) {
		switch why := notAnArchive(path, info); {
		case why == "" || asked && info.Mode().IsRegular():
			found = append(found, path)
		default:
			skipped = append(skipped, skippedFile{path, why})
		}
	}
	for _, path := range paths {
		if path == "-" {
			found = append(found, path)
			continue
		}
		names, err := filepath.Glob(path)
		if err != nil || len(names) == 0 {
			names = []string{path} // perhaps a name with [ in it; else the message says what is missing
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				return nil, skipped, err
			}
			if !info.IsDir() {
				take(name, info, len(names) == 1 && name == path)
				continue
			}
			err = filepath.WalkDir(name, func(below string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				info, err := entry.Info()
				if err == nil {
					take(below, info, false)
				}
				return nil // a file that went away meanwhile is no error
			})
			if err != nil {
				return nil, skipped, fmt.Errorf("look for files: %w", err)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), skipped, nil
}

// notAnArchive says why a file is not imported, "" if it is.
func notAnArchive(path string, info fs.FileInfo) string {
	name := filepath.Base(path)
	switch {
	case !info.Mode().IsRegular():
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

const (
	watchInterval = 10 * time.Second
	settledAfter  = 5 * time.Second // since its last change a file counts as finished
)

// watch imports files as they are finished, until ctx ends. What is damaged or
// cannot be read is told and tried again once it changes.
func (r *importRun) watch(ctx context.Context, paths []string) error {
	type version struct {
		size    int64
		changed time.Time
	}
	seen := map[string]version{}
	for {
		found, _, err := findArchives(paths)
		if err != nil {
			r.progress.line("%v", err)
		}
		var fresh []string
		for _, path := range found {
			info, err := os.Stat(path)
			if err != nil || time.Since(info.ModTime()) < settledAfter {
				continue
			}
			if v := (version{info.Size(), info.ModTime()}); seen[path] != v {
				seen[path] = v
				fresh = append(fresh, path)
			}
		}
		if len(fresh) > 0 {
			if err := r.all(ctx, fresh); err != nil && ctx.Err() == nil {
				r.progress.line("%v", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
	}
}
