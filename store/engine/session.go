//go:build linux && (amd64 || arm64)

package engine

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// connect opens a connection with the rights, settings and database of the
// request.
func (h *handler) connect(q *request, a access) (*connection, error) {
	settings := q.settings
	for name := range settings {
		if !h.settings[name] && !a.readOnly { // libchdb would pass over it, or take it for another option
			return nil, newException(codeUnknownSetting, "Unknown setting '%s'. (UNKNOWN_SETTING)", name)
		}
	}
	if a.readOnly {
		var err error
		if settings, err = readOnlySettings(q.settings, h.ceilings); err != nil {
			return nil, err
		}
	}
	arguments := []string{"--path=" + h.path, "--log_comment=" + strings.TrimSpace(q.comment+" "+q.settings["log_comment"])}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if name != "log_comment" && h.settings[name] {
			arguments = append(arguments, "--"+name+"="+settings[name])
		}
	}
	if a.readOnly {
		arguments = append(arguments, "--readonly=1", "--allow_introspection_functions=0",
			"--max_query_size="+strconv.Itoa(4*readOnlyStatement)) // refusal sends a statement as a string of one
	}
	c, err := h.library.open(arguments)
	if err != nil {
		return nil, h.wrongSetting(settings)
	}
	if err := h.enter(c, q, a); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// enter chooses role and database of a new connection.
func (h *handler) enter(c *connection, q *request, a access) error {
	role := q.role
	if a.readOnly {
		role = readerRole
	}
	if role != "" {
		if _, _, err := c.exec("SET ROLE "+quotedName(role), "Null", nil); err != nil {
			return err
		}
	}
	switch {
	case q.database != "":
		_, _, err := c.exec("USE "+quotedName(q.database), "Null", nil)
		return err
	case a.readOnly:
		c.exec("USE "+quotedName(h.database), "Null", nil) // not there before the first migration
	}
	return nil
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

// quotedText returns a ClickHouse string literal.
func quotedText(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'", "\x00", "\\0").Replace(s) + "'"
}
