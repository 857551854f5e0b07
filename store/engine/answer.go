//go:build linux && (amd64 || arm64)

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// answer writes one HTTP response in ClickHouse's form. Headers go out with the
// first byte, so that an early error still has its status.
type answer struct {
	w       http.ResponseWriter
	id      string
	format  string
	summary summary
	started bool
}

func (a *answer) headers() {
	h := a.w.Header()
	h.Set("X-ClickHouse-Query-Id", a.id)
	h.Set("X-ClickHouse-Server-Display-Name", "nfstats")
	h.Set("X-ClickHouse-Timezone", "UTC")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// start sends the headers.
func (a *answer) start() {
	if a.started {
		return
	}
	a.started = true
	a.headers()
	if a.format != "" {
		a.w.Header().Set("X-ClickHouse-Format", a.format)
	}
	a.w.Header().Set("Content-Type", contentType(a.format))
	a.w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d"}`,
		a.summary.readRows, a.summary.readBytes, a.summary.writtenRows))
	a.w.WriteHeader(http.StatusOK)
}

// Write sends a piece of the result.
func (a *answer) Write(p []byte) (int, error) {
	a.start()
	return a.w.Write(p)
}

// fail reports an error: with a status when nothing was sent yet, else at the
// end of the body, after which the connection breaks off.
func (a *answer) fail(err error) {
	var e *exception
	switch {
	case errors.Is(err, context.Canceled):
		return // nobody listens
	case !errors.As(err, &e):
		e = newException(codeUnknown, "%v", err)
	}
	if a.started {
		io.WriteString(a.w, "\n"+e.message+"\n")
		panic(http.ErrAbortHandler)
	}
	a.started = true
	a.headers()
	a.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	a.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	a.w.WriteHeader(e.status())
	io.WriteString(a.w, e.message+"\n")
}

func contentType(format string) string {
	switch {
	case strings.HasPrefix(format, "JSON") && !strings.Contains(format, "EachRow"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=present"
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case format == "Native", format == "RowBinary", format == "Parquet", format == "Arrow", format == "ArrowStream":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}
