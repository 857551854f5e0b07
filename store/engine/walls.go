package engine

import (
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Four walls keep whoever may read from doing anything else. Each stands
// without the others:
//
//  1. here: libchdb must call the text one statement that reads, and no function
//     may appear in it that reaches out of the database;
//  2. ClickHouse: the statement runs under role reader, which is granted SELECT
//     and SHOW alone, with readonly=1, so that its limits cannot be lifted;
//  3. Landlock: the process sees its own folder and little else;
//  4. seccomp: it can neither open a socket nor start a program.
//
// The first is not redundant: sqlite() makes a file before ClickHouse asks for a
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

// reachingFunctions are ordinary functions that read files or run other programs.
// Their mere name is refused: `arrayMap(file, …)` and `APPLY file` call it too.
var reachingFunctions = []string{"catboostevaluate", "file", "showcertificate", "trap"}

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

// objection tells what stands against a statement that reads: a function of
// forbidden, or a SETTINGS clause, of which ClickHouse holds only the outermost
// against readonly. It is "" for nothing.
func objection(sql iter.Seq[token], forbidden map[string]bool) string {
	var before, last token
	for t := range sql {
		switch {
		case slices.Contains(reachingFunctions, t.name()):
			return "function " + t.name() + " reaches out of the database"
		case t.text == "(" && forbidden[last.name()]:
			return "function " + last.name() + " reaches out of the database"
		case t.text == "=" && isWord(before, "SETTINGS") && last.name() != "":
			return "settings belong into the URL's parameters"
		}
		before, last = last, t
	}
	return ""
}

// name returns the name that a token is, in lower case; "" for what is none.
func (t token) name() string {
	if t.word || strings.HasPrefix(t.text, "`") || strings.HasPrefix(t.text, `"`) {
		return strings.ToLower(strings.Trim(t.text, "`\""))
	}
	return ""
}

// A doorkeeper decides which requests the read-only listener answers at all.
// Pages of other origins must not use a browser to reach it.
type doorkeeper struct {
	names map[string]bool // host names, in lower case
}

func newDoorkeeper(allowed []string) doorkeeper {
	names := map[string]bool{"localhost": true}
	if name, err := os.Hostname(); err == nil {
		names[strings.ToLower(name)] = true
	}
	for _, name := range allowed {
		names[strings.ToLower(name)] = true
	}
	return doorkeeper{names}
}

// admit refuses requests under a name that is not ours, since a web page can let
// its own name point here (DNS rebinding), and requests that a browser makes for
// a page from elsewhere: it would not see the answer, but could keep us busy.
func (d doorkeeper) admit(r *http.Request) error {
	host := hostOf(r.Host)
	if net.ParseIP(host) == nil && !d.names[strings.ToLower(host)] && host != "" {
		return newException(codeAuthentication, "the host name %q is not known here: use an IP address, or add the name to store.embedded.allowed_hosts. (AUTHENTICATION_FAILED)", host)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "none" && site != "same-origin" {
		return newException(codeAuthentication, "requests of other web pages are not answered. (AUTHENTICATION_FAILED)")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return newException(codeAuthentication, "requests of other web pages are not answered. (AUTHENTICATION_FAILED)")
		}
	}
	return nil
}

// hostOf returns the host of a Host header without port and brackets.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header
	}
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%") // a zone
	return strings.TrimSuffix(host, ".")
}
