package archives

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// maxEntries bounds the listing of a folder.
const maxEntries = 5000

// Entry is a file or folder that may be imported.
type Entry struct {
	Name    string
	Folder  bool
	Size    int64 // octets, of a file
	Changed time.Time
	Skipped string // why it is not imported with its folder
}

// Files lists a folder below the folder of Jobs, folders first; more says that
// there are more than are listed. Its errors are ErrNoFolder and an *OptionError
// of the path.
func (j *Jobs) Files(name string) (entries []Entry, more bool, err error) {
	root, err := j.root()
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	name = path.Clean(cmp.Or(name, "."))
	info, err := root.Stat(name)
	if err == nil && !info.IsDir() {
		err = errors.New("is not a folder")
	}
	if err != nil {
		return nil, false, &OptionError{"path", withoutPath(err)}
	}
	listed, err := fs.ReadDir(root.FS(), name)
	if err != nil {
		return nil, false, &OptionError{"path", withoutPath(err)}
	}
	if more = len(listed) > maxEntries; more {
		listed = listed[:maxEntries]
	}
	entries = make([]Entry, 0, len(listed))
	for _, l := range listed {
		e := Entry{Name: l.Name()}
		if info, err := root.Stat(path.Join(name, l.Name())); err != nil {
			e.Skipped = "cannot be read"
		} else if e.Folder, e.Changed = info.IsDir(), info.ModTime(); !e.Folder {
			e.Size, e.Skipped = info.Size(), notAnArchive(e.Name, info.Mode())
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if a.Folder != b.Folder {
			return map[bool]int{true: -1, false: 1}[a.Folder]
		}
		return 0
	})
	return entries, more, nil
}

// root opens the folder. It is opened for each use: it may be mounted later, or
// anew. What it opens stays below it, links included.
func (j *Jobs) root() (*os.Root, error) {
	if j.config.Folder == "" {
		return nil, ErrNoFolder
	}
	root, err := os.OpenRoot(j.config.Folder)
	if err != nil {
		return nil, &OptionError{"path", fmt.Errorf("the folder of import.folder cannot be opened: %w", withoutPath(err))}
	}
	return root, nil
}

// withoutPath returns the cause of an error of the file system.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
