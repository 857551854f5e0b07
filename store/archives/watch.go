package archives

import (
	"context"
	"time"
)

const (
	watchInterval = 10 * time.Second
	settledAfter  = 5 * time.Second // since its last change a file counts as finished
)

// Watch imports files as they are finished, until ctx ends. A file that changes
// is imported anew; where it has grown, in the place of what came of it before.
func (i *Importer) Watch(ctx context.Context, paths []string) error {
	seen := map[string]File{}
	for {
		found, err := Find(paths, func(string, string) {})
		if err != nil {
			i.Progress.warn("%v", err)
		}
		var fresh []File
		for _, f := range found {
			if time.Since(f.Changed) >= settledAfter && seen[f.Path] != f {
				seen[f.Path] = f
				fresh = append(fresh, f)
			}
		}
		if len(fresh) > 0 {
			if err := i.Run(ctx, fresh); err != nil && ctx.Err() == nil {
				i.Progress.warn("%v", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
	}
}
