//go:build linux && (amd64 || arm64)

package engine

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Beyond its limit of time a statement is ended in two steps: ClickHouse is told
// to, and then, where it cannot, the reader ends, which the supervisor starts
// again. Both count from the limit.
const (
	killAfter = 4 * time.Second
	exitAfter = 8 * time.Second
)

// readAttempts is how often a statement runs that meets, again and again, tables or
// parts that the writer has taken away meanwhile.
const readAttempts = 3

// readStatement runs a statement of a user.
func (h *handler) readStatement(w *answer, r *http.Request, q *request) error {
	granted, err := h.users.grant(q)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer h.bound(w, q, granted, cancel)()
	for attempt := 1; ; attempt++ {
		passes, err := h.users.tables.wait(ctx)
		if err != nil {
			return err
		}
		err = h.readOnce(ctx, w, q, granted)
		if err == nil || attempt == readAttempts || w.started || ctx.Err() != nil || !h.users.outdated(err, passes) {
			return err
		}
		h.users.tables.look(senseless(err))
		w.held = nil
	}
}

// readOnce runs a statement if nothing stands against it.
func (h *handler) readOnce(ctx context.Context, w *answer, q *request, granted map[string]string) error {
	c, err := h.connectReader(q, granted)
	if err != nil {
		return err
	}
	defer c.close()
	if !h.users.unchecked {
		if err := h.users.refusal(c, q); err != nil {
			return err
		}
	}
	defer h.cancelWith(ctx, q.comment)()
	return h.query(w, c, q)
}

// outdated reports that a statement failed because the reader did not know yet
// what the writer had changed.
func (u *readerHouse) outdated(err error, passes uint64) bool {
	var e *exception
	if !errors.As(err, &e) {
		return false
	}
	switch e.code {
	case codeNoFile:
		return true
	case codeStandard: // of the C++ library
		return strings.Contains(e.message, "No such file or directory")
	case codeUnknownTable, codeUnknownName, codeBadArguments, codeCancelled:
		return u.tables.shutSince(passes)
	}
	return senseless(err)
}

// senseless reports that what was read from a table is not what ClickHouse wrote
// for it: a part of that name may have been replaced.
func senseless(err error) bool {
	var e *exception
	return errors.As(err, &e) && slices.Contains(damageCodes, e.code)
}

// grant returns the settings for a statement, those that it asks for in its own
// text among them.
func (u *readerHouse) grant(q *request) (map[string]string, error) {
	if u.unchecked {
		return q.settings, nil
	}
	asked := maps.Clone(q.settings)
	inText := clauseSettings(tokens(q.sql), false)
	for _, s := range inText {
		if _, inURL := asked[s.name]; !inURL && s.plain && s.word.depth == 0 {
			asked[s.name] = s.value // readonly=1 lets a clause say what holds already
		}
	}
	if o := settingObjection(inText, u.ceilings); o != nil {
		return nil, o.refusal(q.sql, false)
	}
	return readOnlySettings(asked, u.ceilings)
}

// refusal tells why a statement may not run.
func (u *readerHouse) refusal(c *connection, q *request) error {
	if q.takesData {
		return notReading(q.sql)
	}
	// ClickHouse's own rendering has no comments between a name and its bracket,
	// and no escapes in names.
	text, _, err := c.exec("SELECT formatQuerySingleLine("+quotedText(q.sql)+")", "RawBLOB", nil)
	if err != nil {
		return withoutScope(err)
	}
	if !c.readOnly(q.sql) {
		return notReading(q.sql)
	}
	rendered := string(text)
	for _, form := range []struct {
		text     iter.Seq[token]
		rendered bool
	}{{tokens(q.sql), false}, {renderedTokens(rendered), true}} {
		o := reaching(form.text, u.forbidden)
		if o == nil {
			o = settingObjection(clauseSettings(form.text, form.rendered), u.ceilings)
		}
		if o != nil {
			return o.refusal(q.sql, form.rendered)
		}
	}
	return nil
}

// withoutScope cuts what a syntax error says of the statement that asked for the
// rendering.
func withoutScope(err error) error {
	var e *exception
	if errors.As(err, &e) {
		if message, scope, found := strings.Cut(e.message, ": In scope SELECT formatQuery"); found {
			return &exception{e.code, message + scope[max(0, strings.LastIndex(scope, " (")):]}
		}
	}
	return err
}

// bound ends a statement some seconds after its limit of time, whatever ClickHouse
// does with it; the returned function says that it has ended.
func (h *handler) bound(w *answer, q *request, granted map[string]string, cancel func()) (ended func()) {
	seconds, err := strconv.ParseInt(granted["max_execution_time"], 10, 64)
	if err != nil {
		seconds = readOnlySeconds
	}
	limit := time.Duration(seconds) * time.Second
	kill := time.AfterFunc(limit+killAfter, func() {
		cancel()
		w.hurry()
	})
	exit := time.AfterFunc(limit+exitAfter, func() {
		h.logger.Warn("ClickHouse cannot stop a statement of a user; the process for users' SQL ends with it",
			zap.Duration("limit", limit), zap.String("statement", q.sql[:min(len(q.sql), 300)]))
		os.Exit(1)
	})
	return func() { kill.Stop(); exit.Stop() }
}
