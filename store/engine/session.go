//go:build linux && (amd64 || arm64)

package engine

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// connect opens a connection of the daemon with the settings, role and database
// of the request.
func (h *handler) connect(q *request) (*connection, error) {
	for name := range q.settings {
		if !h.settings[name] { // libchdb would pass over it, or take it for another option
			return nil, newException(codeUnknownSetting, "Unknown setting '%s'. (UNKNOWN_SETTING)", name)
		}
	}
	comment := strings.TrimSpace(q.comment + " " + q.settings["log_comment"])
	return h.enter(q.settings, comment, q.role, q.database)
}

// connectReader opens a connection for a statement of a user, with the settings
// that are granted to it. A comment of the user's is not among them: statements
// are cancelled by theirs.
func (h *handler) connectReader(q *request, granted map[string]string) (*connection, error) {
	database := q.database
	if database == "" {
		database = h.users.database
	}
	if h.users.unchecked {
		return h.enter(granted, q.comment, "", database)
	}
	return h.enter(granted, q.comment, q.role, database, "--readonly=1",
		"--allow_introspection_functions=0", "--use_query_condition_cache=0",
		"--max_query_size="+strconv.Itoa(4*readOnlyStatement)) // refusal sends a statement as a string of one
}

// enter opens a connection and chooses its role and database.
func (h *handler) enter(settings map[string]string, comment, role, database string,
	more ...string) (*connection, error) {
	arguments := []string{"--path=" + h.path, "--log_comment=" + comment}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if name != "log_comment" && h.settings[name] {
			arguments = append(arguments, "--"+name+"="+settings[name])
		}
	}
	c, err := h.library.open(append(arguments, more...))
	if err != nil {
		return nil, h.wrongSetting(settings)
	}
	if role != "" {
		_, _, err = c.exec("SET ROLE "+quotedName(role), "Null", nil)
	}
	if err == nil && database != "" {
		_, _, err = c.exec("USE "+quotedName(database), "Null", nil)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// wrongSetting finds out which of the settings ClickHouse refuses, and why: the
// library's connect does not tell.
func (h *handler) wrongSetting(settings map[string]string) error {
	c, err := h.library.open([]string{"--path=" + h.path})
	if err != nil {
		return newException(codeUnknown, "%v", err)
	}
	defer c.close()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if _, _, err := c.exec("SET "+name+" = "+quotedText(settings[name]), "Null", nil); err != nil {
			return err
		}
	}
	return newException(codeBadArguments, "ClickHouse refuses the settings %v. (BAD_ARGUMENTS)", settings)
}
