package httpui

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nfstats/nfstats/store"
)

// Statements runs what users write; *store.ReadOnly in the program.
type Statements interface {
	Confined() bool
	Run(ctx context.Context, statement store.Statement, w io.Writer) (store.Read, error)
}

const (
	maxSQLRows    = 10_000
	maxSQLAnswer  = 32 << 20 // octets of ClickHouse's JSON
	sqlPatience   = 90 * time.Second
	defaultSQLTop = 1000

	// maxStatements run at once; each may take several times maxSQLAnswer of memory.
	maxStatements = 4
	// statementWait is how long a statement waits for its turn.
	statementWait = 10 * time.Second
)

// sqlAnswer is POST /api/v1/sql.
type sqlAnswer struct {
	Columns   []sqlColumn       `json:"columns"`
	Rows      []json.RawMessage `json:"rows"`                // each a list of values
	RowsRead  uint64            `json:"rows_read,omitempty"` // left out where ClickHouse does not say
	BytesRead uint64            `json:"bytes_read,omitempty"`
	ElapsedMs int64             `json:"elapsed_ms"`
	Truncated bool              `json:"truncated"` // there are more rows than limit
}

type sqlColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// sqlInput is a statement; limit bounds the rows of the answer (not of CSV).
type sqlInput struct {
	Query string `json:"query"`
	Limit int    `json:"limit"`
}

// sql answers POST /api/v1/sql {query, limit}, with ?format=csv as a stream.
func (s *Server) sql(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxInput)
	input := sqlInput{Limit: defaultSQLTop}
	if err := readInput(r, &input); err != nil {
		s.refuse(w, r, badRequest("The input is not an object with query and limit."))
		return
	}
	admin := s.gate.identify(r).Role == Admin
	switch {
	case !s.deps.SQL.Confined() && !admin:
		s.fail(w, r, http.StatusForbidden, "Statements at your own ClickHouse can read all that its user may. An admin can run them.")
		return
	case strings.TrimSpace(input.Query) == "" || input.Limit < 1 || input.Limit > maxSQLRows:
		s.fail(w, r, http.StatusBadRequest, fmt.Sprintf("This takes a query, and a limit of 1 to %d.", maxSQLRows))
		return
	}
	end, err := s.beginStatement(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer end()
	if r.URL.Query().Get("format") == "csv" {
		s.sqlCSV(w, r, store.Statement{Text: input.Query, Format: "CSVWithNames", Admin: admin})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), sqlPatience)
	defer cancel()
	answer, err := runSQL(ctx, s.deps.SQL, input, admin)
	if err != nil {
		s.refuse(w, r, inOwnWords(err))
		return
	}
	s.sendJSON(w, r, http.StatusOK, answer)
}

// beginStatement takes one of the places for statements: somebody who sends many
// must not take the memory of the daemon, which receives flows.
func (s *Server) beginStatement(ctx context.Context) (end func(), err error) {
	select {
	case s.statements <- struct{}{}:
		return func() { <-s.statements }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(statementWait):
		return nil, &problem{status: http.StatusServiceUnavailable, message: "Too many statements run at once. Try again in a moment."}
	}
}

// inOwnWords makes what ClickHouse says about a statement the answer.
func inOwnWords(err error) error {
	var wrong *store.StatementError
	if errors.As(err, &wrong) {
		return &problem{status: http.StatusBadRequest, message: wrong.Message}
	}
	return err
}

// errAnswerTooLarge reports an answer of more than maxSQLAnswer.
var errAnswerTooLarge = &problem{status: http.StatusUnprocessableEntity, message: "The answer is too large for a page. Ask for fewer rows or columns, or for CSV."}

// bounded keeps what is written, up to maxSQLAnswer.
type bounded struct{ kept []byte }

// Write adds to what is kept.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > maxSQLAnswer {
		return 0, errAnswerTooLarge
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

func runSQL(ctx context.Context, run Statements, input sqlInput, admin bool) (*sqlAnswer, error) {
	began, body := time.Now(), &bounded{}
	// One row more than wanted tells whether there are more.
	read, err := run.Run(ctx, store.Statement{Text: input.Query, Format: "JSONCompact", MaxRows: input.Limit + 1, Admin: admin}, body)
	if err != nil {
		return nil, err
	}
	var got struct {
		Meta       []sqlColumn
		Data       []json.RawMessage
		Statistics struct {
			RowsRead  uint64 `json:"rows_read"`
			BytesRead uint64 `json:"bytes_read"`
		}
	}
	if err := json.Unmarshal(body.kept, &got); err != nil || got.Meta == nil {
		// The exception of a statement that failed half way stands behind its rows.
		if at := bytes.LastIndex(body.kept, []byte("Code: ")); at >= 0 {
			return nil, &store.StatementError{Message: string(bytes.TrimSpace(body.kept[at:]))}
		}
		return nil, badRequest("The answer is not a table. Leave out FORMAT.")
	}
	answer := &sqlAnswer{Columns: got.Meta, Rows: got.Data, ElapsedMs: time.Since(began).Milliseconds()}
	// The statistics of a server are whole; libchdb's are 0.
	answer.RowsRead, answer.BytesRead = max(got.Statistics.RowsRead, read.Rows), max(got.Statistics.BytesRead, read.Bytes)
	if len(answer.Rows) > input.Limit {
		answer.Rows, answer.Truncated = answer.Rows[:input.Limit], true
	}
	if answer.Rows == nil {
		answer.Rows = []json.RawMessage{}
	}
	return answer, nil
}

// sqlCSV streams an answer as CSV. Whatever fails before the first row is told;
// after that the connection is broken off, so that no part passes for the whole.
func (s *Server) sqlCSV(w http.ResponseWriter, r *http.Request, statement store.Statement) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	reader, writer := io.Pipe()
	go func() {
		_, err := s.deps.SQL.Run(ctx, statement, writer)
		writer.CloseWithError(err)
	}()
	defer reader.Close()
	rows := &boundedRecords{from: reader}
	in := csv.NewReader(rows)
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	record, err := in.Read()
	if _, other := errors.AsType[*csv.ParseError](err); other {
		err = badRequest("The answer is not CSV. Leave out FORMAT.")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.refuse(w, r, inOwnWords(err))
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="nfstats-sql.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 §2
	for ; err == nil; record, err = in.Read() {
		for i := range record {
			record[i] = disarmed(record[i])
		}
		if err = out.Write(record); err != nil {
			break
		}
		rows.read = 0
	}
	out.Flush()
	if !errors.Is(err, io.EOF) {
		panic(http.ErrAbortHandler)
	}
}

// boundedRecords ends the reading of CSV at a record of more than maxSQLAnswer:
// csv.Reader holds one in memory as a whole.
type boundedRecords struct {
	from io.Reader
	read int // octets since the last record
}

// Read reads on, unless the record is too long.
func (b *boundedRecords) Read(p []byte) (int, error) {
	if b.read > maxSQLAnswer {
		return 0, errAnswerTooLarge
	}
	n, err := b.from.Read(p)
	b.read += n
	return n, err
}

// disarmed puts an apostrophe before a text that a spreadsheet would take for a
// formula. Numbers may begin with a sign.
func disarmed(text string) string {
	if text == "" || !strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return text
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return text
	}
	return "'" + text
}
