//go:build linux && (amd64 || arm64)

package engine

import (
	"regexp"
	"time"
)

// markDirty marks the dictionaries in whose definition a table is named.
func markDirty(objects map[string]*object, table string) {
	named := regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(table) + `(\W|$)`)
	for _, o := range objects {
		if o.kind == kindDictionary && named.MatchString(o.sql) {
			o.changed, o.dirty = time.Now(), true
		}
	}
}

// reloadDictionaries loads those whose tables have changed. What was loaded too
// soon after a change, or not at all, stays due.
func (f *follower) reloadDictionaries() {
	for _, o := range f.objects {
		settled := time.Since(o.changed) >= reloadDelay
		if o.kind != kindDictionary || !o.attached || !o.dirty || !settled && time.Since(o.reloaded) < reloadInterval {
			continue
		}
		o.reloaded = time.Now()
		if _, _, err := f.conn.exec("SYSTEM RELOAD DICTIONARY "+f.qualified(o), "Null", nil); err != nil {
			f.tell(o.name, "names in "+o.name+" may be old for users: "+err.Error())
			o.changed = time.Now() // try again
			continue
		}
		o.dirty = !settled
	}
}
