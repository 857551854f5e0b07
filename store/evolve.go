package store

import (
	"regexp"
	"strings"
)

// On a cluster a node that joins later makes its replica from the migrations, too. It
// must make it with the columns that the other replicas have by then: ClickHouse
// refuses a replica with others, so the first form and the changes of it will not do.

var (
	alterColumns = regexp.MustCompile(`(?m)^ALTER TABLE (\w+) `)
	// columnChange is a clause of ALTER TABLE, which stands on a line of its own.
	columnChange = regexp.MustCompile(`(?m)\b(ADD COLUMN IF NOT EXISTS|MODIFY COLUMN) ((\w+) .*?)(?: AFTER (\w+))?,?$`)
)

// appliedStatements returns the statements of those migrations that are applied.
func appliedStatements(migrations []migration, applied map[uint32]string) (all []string) {
	for _, m := range migrations {
		if _, known := applied[m.version]; known {
			all = append(all, m.statements...)
		}
	}
	return all
}

// evolved returns a statement that makes a table as later statements have changed its
// columns; any other statement as it is.
func evolved(create string, later []string) string {
	made := createTable.FindStringSubmatch(create)
	if made == nil {
		return create
	}
	for _, statement := range later {
		if table := alterColumns.FindStringSubmatch(statement); table == nil || table[1] != made[1] {
			continue
		}
		for _, c := range columnChange.FindAllStringSubmatch(statement, -1) {
			definition, column, after := c[2], c[3], c[4]
			if after != "" {
				create = lineOf(after).ReplaceAllString(create, "${0}\n    "+escapeDollar(definition)+",")
			} else {
				create = lineOf(column).ReplaceAllString(create, "    "+escapeDollar(definition)+"${1}")
			}
		}
	}
	return create
}

// lineOf matches the line of a column, and the comma at its end with what follows it.
func lineOf(column string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^    ` + column + ` .*?(,?(?: --.*)?)$`)
}

func escapeDollar(text string) string { return strings.ReplaceAll(text, "$", "$$") }
