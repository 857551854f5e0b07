package engine

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A definition is how the reader makes an object of the writer's database its own.
type definition struct {
	name string
	kind objectKind
	uuid string // of the object in the writer's folder
	sql  string // makes it, or replaces what has its name
}

// objectKind says what an object is.
type objectKind int

const (
	kindTable objectKind = iota // has parts in the writer's folder
	kindDictionary
	kindView
)

// readingSettings are the settings of a table that matter to who only reads it.
var readingSettings = setOf([]string{"index_granularity", "index_granularity_bytes", "allow_nullable_key"})

// liveSettings make a table of parts that somebody else writes. New parts are
// looked for each second.
var liveSettings = []string{"storage_policy = '" + liveDisk + "'", "refresh_parts_interval = 1"}

var (
	head = regexp.MustCompile(`^(?:ATTACH|CREATE) (TABLE|VIEW|MATERIALIZED VIEW|DICTIONARY) ` +
		`_ UUID '([0-9a-f-]{36})'(?: TO (.+))?$`)
	refreshLine = regexp.MustCompile(`^REFRESH .* TO (.+)(?:\n|$)`)
	engineLine  = regexp.MustCompile(`^ENGINE = (\w+)`)
	ownMergeSet = regexp.MustCompile(`^(Replacing|Summing|Aggregating|Collapsing|VersionedCollapsing|` +
		`Coalescing)?MergeTree$`)
)

// readDefinition makes a definition of the text in which ClickHouse keeps an
// object's. ClickHouse formats it: each clause begins a line, and what belongs to
// it is indented. An error tells why users cannot see the object.
func readDefinition(database, name, text string) (definition, error) {
	first, rest, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
	match := head.FindStringSubmatch(first)
	if match == nil {
		return definition{}, fmt.Errorf("its definition begins with %.80q", first)
	}
	d := definition{name: name, uuid: match[2]}
	own := quotedName(database) + "." + quotedName(name)
	switch match[1] {
	case "DICTIONARY":
		d.kind, d.sql = kindDictionary, "CREATE OR REPLACE DICTIONARY "+own+"\n"+rest
	case "VIEW":
		d.kind, d.sql = kindView, "CREATE OR REPLACE VIEW "+own+"\n"+rest
	case "MATERIALIZED VIEW": // whose rows are those of a table
		target := match[3]
		if refresh := refreshLine.FindStringSubmatch(rest); refresh != nil {
			target = refresh[1]
		}
		if target == "" || strings.HasPrefix(target, "INNER UUID ") {
			target = quotedName(database) + "." + quotedName(".inner_id."+d.uuid)
		}
		d.kind, d.sql = kindView, "CREATE OR REPLACE VIEW "+own+" AS SELECT * FROM "+target
	case "TABLE":
		body, err := readOnlyTable(rest)
		if err != nil {
			return definition{}, err
		}
		d.sql = "ATTACH TABLE " + own + " UUID '" + d.uuid + "'\n" + body
	}
	return d, nil
}

// readOnlyTable rewrites what stands behind a table's name: without what only who
// writes needs.
func readOnlyTable(text string) (string, error) {
	var kept []string
	engine, dropping := "", false
	settings := liveSettings
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, " "):
			if dropping {
				continue
			}
		case strings.HasPrefix(line, "TTL "):
			dropping = true
			continue
		case strings.HasPrefix(line, "SETTINGS "):
			dropping = false
			own, err := ownSettings(strings.TrimPrefix(line, "SETTINGS "))
			if err != nil {
				return "", err
			}
			settings = append(own, settings...)
			continue
		default:
			dropping = false
			if match := engineLine.FindStringSubmatch(line); match != nil {
				engine = match[1]
			}
		}
		kept = append(kept, line)
	}
	end := slices.IndexFunc(kept, func(line string) bool { return strings.HasPrefix(line, "COMMENT ") })
	if end < 0 {
		end = len(kept)
	}
	if !ownMergeSet.MatchString(engine) {
		return "", fmt.Errorf("engine %s keeps no parts that another process can read", engine)
	}
	kept = slices.Insert(kept, end, "SETTINGS "+strings.Join(settings, ", "))
	return strings.Join(kept, "\n"), nil
}

// ownSettings returns those of a SETTINGS clause that matter to who reads.
func ownSettings(clause string) (kept []string, err error) {
	start, name := 0, ""
	add := func(end int) {
		if readingSettings[name] {
			kept = append(kept, strings.TrimSpace(clause[start:end]))
		}
		start, name = end+1, ""
	}
	for t := range renderedTokens(clause) {
		switch {
		case name == "":
			name = t.text
		case t.text == "," && t.depth == 0:
			add(t.start)
		}
		if name == "disk" || name == "storage_policy" {
			return nil, fmt.Errorf("its parts are not in ClickHouse's own folder (%s)", clause)
		}
	}
	add(len(clause))
	return kept, nil
}
