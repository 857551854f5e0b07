package engine

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Walls keep whoever may read from doing anything else. Each stands without the
// others:
//
//  1. the reader: statements of users run in a process of their own, which holds
//     none of ClickHouse's folder, reads it, and writes a scratch folder that is
//     emptied when it starts. Landlock holds it to that, so that no statement
//     changes data, whatever it gets past. What one breaks, or takes, is this
//     process and nothing else: the supervisor starts it again;
//  2. seccomp: it can neither open a socket nor start a program;
//  3. ClickHouse: the statement runs under role viewer or admin, which are granted
//     the tables of the database and a list of system tables, with readonly=1, so
//     that its limits cannot be lifted;
//  4. here: libchdb must call the text one statement that reads, and no function
//     may appear in it that reaches out of the database, nor a setting that is not
//     on the list.
//
// The last is not redundant: sqlite() makes a file before ClickHouse asks for a
// grant.

// localFunctions are the table functions that stay within the database. All
// others that the library has are refused, so that one which a new version
// brings is refused too.
var localFunctions = []string{
	"dictionary", "format", "fuzzJSON", "fuzzQuery", "generateRandom", "generateSeries", "generate_series", "merge", "mergeTreeIndex",
	"mergeTreeProjection", "mergeTreeTextIndex", "null", "numbers", "numbers_mt", "primes", "prometheusQuery", "prometheusQueryRange",
	"SQLStandardValues", "timeSeriesData", "timeSeriesMetrics", "timeSeriesSamples", "timeSeriesSelector", "timeSeriesTags", "values",
	"view", "viewExplain", "viewIfPermitted", "zeros", "zeros_mt",
}

// reachingFunctions are ordinary functions that read or write files, run other
// programs, or format rows by a schema that a file holds. Their mere name is
// refused: `arrayMap(file, …)` and `APPLY file` call it too.
var reachingFunctions = []string{"catboostevaluate", "file", "formatrow", "formatrownonewline", "showcertificate", "trap"}

// forbiddenFunctions returns the names, in lower case, of functions that reach
// out of the database, given those of all table functions.
func forbiddenFunctions(tableFunctions []string) map[string]bool {
	forbidden := map[string]bool{}
	for _, name := range append(tableFunctions, reachingFunctions...) {
		forbidden[strings.ToLower(name)] = true
	}
	for _, name := range localFunctions {
		delete(forbidden, strings.ToLower(name))
	}
	return forbidden
}

// An objection tells what stands against a statement that reads.
type objection struct {
	word   string // of the statement
	start  int    // where it stands, in bytes
	reason string
}

// reaching finds a function of forbidden.
func reaching(sql iter.Seq[token], forbidden map[string]bool) *objection {
	const reason = "reaches out of the database; what stays in it are tables, dictionaries, " +
		"and table functions such as numbers, values, generateRandom and view"
	var last token
	for t := range sql {
		switch {
		case slices.Contains(reachingFunctions, t.name()):
			return &objection{t.name(), t.start, "function " + t.name() + " " + reason}
		case t.text == "(" && forbidden[last.name()]:
			return &objection{last.name(), last.start, "function " + last.name() + " " + reason}
		}
		last = t
	}
	return nil
}

// refusal is the exception for an objection; its place is that in the statement
// as the user wrote it.
func (o *objection) refusal(sql string, rendered bool) error {
	place := o.start
	if rendered {
		place = strings.Index(strings.ToLower(sql), strings.ToLower(o.word))
	}
	where := ""
	if place >= 0 {
		where = fmt.Sprintf(" (position %d)", place+1)
	}
	return newException(codeReadOnly, "this address does not allow it: %s%s. (READONLY)", o.reason, where)
}

// name returns the name that a token is, in lower case; "" for what is none.
func (t token) name() string {
	if t.word || strings.HasPrefix(t.text, "`") || strings.HasPrefix(t.text, `"`) {
		return strings.ToLower(strings.Trim(t.text, "`\""))
	}
	return ""
}

// readingWords begin statements that read.
var readingWords = []string{"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "VALUES"}

// notReading is the exception for a text that is not one statement that reads.
func notReading(sql string) error {
	const allowed = "this address answers single statements that read: SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS"
	var before token
	count := 0
	for t := range tokens(sql) {
		count++
		first := count == 1 && t.word && !slices.ContainsFunc(readingWords, func(w string) bool { return isWord(t, w) })
		if first || before.text == ";" || isWord(t, "OUTFILE") && isWord(before, "INTO") {
			return newException(codeReadOnly, "%s; %s (position %d) is not part of one. (READONLY)", allowed, t.text, t.start+1)
		}
		before = t
	}
	return newException(codeReadOnly, "%s. (READONLY)", allowed)
}
