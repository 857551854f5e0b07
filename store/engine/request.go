package engine

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// A request is what the URL, headers and body of an HTTP request say.
type request struct {
	id         string // of the query, the client's or a new one
	comment    string // as setting log_comment: what this statement is known by
	sql        string
	format     string // of the result, or of the data of an INSERT
	data       io.Reader
	takesData  bool // sql is an INSERT without FORMAT clause, and data are its rows
	database   string
	role       string
	revision   uint64 // of the Native format, 0 for the plain one
	encoding   *encoding
	parameters map[string]string
	settings   map[string]string
}

// peekStatement is how much of a body is searched for the head of an INSERT,
// behind which data are streamed. It is ClickHouse's default for max_query_size.
const peekStatement = 256 << 10

// controlParameters are URL parameters that are no settings.
var controlParameters = map[string]bool{
	"query": true, "database": true, "default_format": true, "user": true, "password": true, "query_id": true,
	"session_id": true, "session_timeout": true, "session_check": true, "compress": true, "decompress": true,
	"quota_key": true, "client_protocol_version": true, "wait_end_of_query": true, "buffer_size": true, "role": true,
	"send_progress_in_http_headers": true, "http_write_exception_in_output_format": true, "enable_http_compression": true,
	"stacktrace": true, "close_session": true,
}

// readRequest reads a request up to the rows of an INSERT. A statement longer
// than maxStatement bytes is refused. A stranger's is decompressed in little
// memory.
func readRequest(r *http.Request, maxStatement int64, stranger bool) (*request, error) {
	values, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B")) // only & separates
	if err != nil {
		return nil, newException(codeBadArguments, "the URL's parameters are malformed: %v. (BAD_ARGUMENTS)", err)
	}
	q := &request{encoding: answerEncoding(r, values), parameters: map[string]string{}, settings: map[string]string{}}
	if r.Method == http.MethodPost {
		body, err := plainBody(r, values, stranger)
		if err != nil {
			return q, err
		}
		if body, err = withoutForm(r, body, values, maxStatement); err != nil {
			return q, err
		}
		q.data = body
	}
	if err := q.readParameters(r, values); err != nil {
		return q, err
	}
	return q, q.readStatement(values.Get("query"), maxStatement)
}

// readParameters reads all but the statement.
func (q *request) readParameters(r *http.Request, values url.Values) error {
	first := func(parameter, header string) string {
		if v := values.Get(parameter); v != "" {
			return v
		}
		return r.Header.Get(header)
	}
	q.role = values.Get("role")
	q.database = first("database", "X-ClickHouse-Database")
	if q.format = first("default_format", "X-ClickHouse-Format"); q.format == "" {
		q.format = "TabSeparated"
	}
	if q.id = first("query_id", "X-ClickHouse-Query-Id"); q.id == "" {
		q.id = uuid.NewString()
	}
	// The client chooses the id, so it must not be what a statement is cancelled by.
	q.comment = q.id + " " + rand.Text()
	if v := values.Get("client_protocol_version"); v != "" {
		revision, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return newException(codeBadArguments, "client_protocol_version is no number: %q. (BAD_ARGUMENTS)", v)
		}
		q.revision = revision
	}
	for name := range values {
		parameter, isParameter := strings.CutPrefix(name, "param_")
		switch {
		case isParameter:
			q.parameters[parameter] = values.Get(name)
		case controlParameters[name]:
		case !settingName.MatchString(name):
			return newException(codeBadArguments, "%q is no name of a setting. (BAD_ARGUMENTS)", name)
		default:
			q.settings[name] = values.Get(name)
		}
	}
	return nil
}

// readStatement takes the statement from the URL, or from the body as far as
// the body is not data.
func (q *request) readStatement(fromURL string, maxStatement int64) error {
	if fromURL != "" {
		if s := inspect(fromURL); s.takesData && q.data != nil {
			rest := fromURL[s.data:]
			if strings.TrimSpace(rest) != "" {
				q.data = io.MultiReader(strings.NewReader(rest+"\n"), q.data)
			}
			q.startData(s)
			return nil
		}
		q.sql = fromURL + "\n"
	} else if q.data != nil {
		body := bufio.NewReaderSize(q.data, peekStatement)
		head, err := body.Peek(peekStatement)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the statement: %w", err)
		}
		whole := err != nil
		if s := inspect(string(head)); s.takesData && (whole || s.data < len(head)) {
			if _, err := body.Discard(s.data); err != nil {
				return fmt.Errorf("read the statement: %w", err)
			}
			q.data = body
			q.startData(s)
			return nil
		}
		q.data = body
	}
	if q.data != nil {
		rest, err := io.ReadAll(io.LimitReader(q.data, maxStatement+1))
		if err != nil {
			return fmt.Errorf("read the statement: %w", err)
		}
		q.sql, q.data = q.sql+string(rest), nil
	}
	if int64(len(q.sql)) > maxStatement {
		return newException(codeQueryTooLarge, "the statement is longer than %d bytes. (QUERY_IS_TOO_LARGE)", maxStatement)
	}
	q.sql = strings.TrimSuffix(q.sql, "\n")
	if s := inspect(q.sql); s.takesData { // without a body
		q.data = strings.NewReader(q.sql[s.data:])
		q.startData(s)
	} else if s.format != "" {
		q.format = s.format
	}
	return nil
}

func (q *request) startData(s shape) {
	q.sql, q.takesData = s.head, true
	if s.format != "" {
		q.format = s.format
	}
}

// withoutForm moves the fields of a form to values, where they mean the same,
// and returns what is left of the body. A body of another kind stays as it is.
func withoutForm(r *http.Request, body io.Reader, values url.Values, limit int64) (io.Reader, error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return body, nil // also a form's usual kind: `curl -d` says so of everything
	}
	form, err := multipart.NewReader(io.LimitReader(body, limit), parameters["boundary"]).ReadForm(limit)
	if err != nil {
		return nil, newException(codeBadArguments, "read the form: %v. (BAD_ARGUMENTS)", err)
	}
	defer form.RemoveAll()
	if len(form.File) > 0 {
		return nil, newException(codeNotImplemented, "the embedded ClickHouse takes no external tables. (NOT_IMPLEMENTED)")
	}
	for name, fields := range form.Value {
		values[name] = append(values[name], fields...)
	}
	return strings.NewReader(""), nil
}
