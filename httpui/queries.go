package httpui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/filter"
)

// selection reads the parameters that all queries share: from, to, filter, scale
// and direction.
func selection(parameters url.Values) (store.Selection, error) {
	from, to, err := timeRange(parameters, time.Now())
	if err != nil {
		return store.Selection{}, err
	}
	chosen := store.Selection{From: from, To: to, Scale: store.Scale(parameters.Get("scale")), Direction: parameters.Get("direction")}
	chosen.Filter, err = filter.Parse(parameters.Get("filter"))
	if wrong := (*filter.Error)(nil); errors.As(err, &wrong) {
		return chosen, &problem{status: http.StatusBadRequest, message: "filter: " + wrong.Error(), position: &wrong.Position}
	}
	if err := chosen.Validate(); err != nil {
		return chosen, badRequest("%v", err)
	}
	return chosen, nil
}

// dimension reads a parameter that names a dimension.
func dimension(parameters url.Values, name, otherwise string) (string, error) {
	by := parameters.Get(name)
	if by == "" {
		by = otherwise
	}
	return by, knownDimension(name, by)
}

func knownDimension(name, by string) error {
	for _, known := range store.Dimensions() {
		if by == known {
			return nil
		}
	}
	return badRequest("%s=%s: want one of %s", name, by, strings.Join(store.Dimensions(), ", "))
}

// series answers GET /api/v1/series?by=&top=&points=: traffic over time.
func (s *Server) series(r *http.Request) (any, error) {
	parameters := r.URL.Query()
	chosen, err := selection(parameters)
	if err != nil {
		return nil, err
	}
	by, err := dimension(parameters, "by", "src_as")
	if err != nil {
		return nil, err
	}
	top, err := number(parameters, "top", 10, 1, 100)
	if err != nil {
		return nil, err
	}
	points, err := number(parameters, "points", 240, 1, 2000)
	if err != nil {
		return nil, err
	}
	return s.deps.Flows.Series(r.Context(), chosen, by, int(top), int(points))
}

// shares answers GET /api/v1/shares?by=&top=: the largest values of a dimension.
func (s *Server) shares(r *http.Request) (any, error) {
	parameters := r.URL.Query()
	chosen, err := selection(parameters)
	if err != nil {
		return nil, err
	}
	by, err := dimension(parameters, "by", "src_as")
	if err != nil {
		return nil, err
	}
	top, err := number(parameters, "top", 50, 1, 10_000)
	if err != nil {
		return nil, err
	}
	return s.deps.Flows.Shares(r.Context(), chosen, by, int(top))
}

// paths answers GET /api/v1/paths?dims=&top=: the ways that traffic takes through
// two to four dimensions.
func (s *Server) paths(r *http.Request) (any, error) {
	parameters := r.URL.Query()
	chosen, err := selection(parameters)
	if err != nil {
		return nil, err
	}
	list := parameters.Get("dims")
	if list == "" {
		list = "src_as,in_if,out_if,dst_as"
	}
	dims := strings.Split(list, ",")
	if len(dims) < 2 || len(dims) > 4 {
		return nil, badRequest("dims=%s: want two to four dimensions with commas between them", list)
	}
	for _, d := range dims {
		if err := knownDimension("dims", d); err != nil {
			return nil, err
		}
	}
	top, err := number(parameters, "top", 20, 1, 500)
	if err != nil {
		return nil, err
	}
	return s.deps.Flows.Paths(r.Context(), chosen, dims, int(top))
}

// csvPatience bounds how long the flows of one download may take.
const csvPatience = 30 * time.Minute

// flows answers GET /api/v1/flows?sort=&limit=&offset=: the flows themselves, as
// JSON by pages or with format=csv all of them.
func (s *Server) flows(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("format") != "csv" {
		s.api(s.flowsPage)(w, r)
		return
	}
	if !s.readable(w, r) {
		return
	}
	chosen, order, err := flowsQuery(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out := &csvWriter{w: w}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(csvPatience))
	if err := s.deps.Flows.FlowsCSV(r.Context(), chosen, order, out); err != nil {
		if !out.started {
			s.refuse(w, r, err)
			return
		}
		// The status has been sent: only a broken connection tells that rows are missing.
		panic(http.ErrAbortHandler)
	}
}

// A csvWriter sends the headers with the first row, so that an error before it can
// still be answered.
type csvWriter struct {
	w       http.ResponseWriter
	started bool
}

func (c *csvWriter) Write(b []byte) (int, error) {
	if !c.started {
		c.started = true
		c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		c.w.Header().Set("Content-Disposition", `attachment; filename="flows.csv"`)
	}
	return c.w.Write(b)
}

func flowsQuery(parameters url.Values) (store.Selection, store.Order, error) {
	chosen, err := selection(parameters)
	if err != nil {
		return chosen, "", err
	}
	order := store.Order(parameters.Get("sort"))
	if order == "" {
		order = "-bytes"
	}
	if err := order.Validate(); err != nil {
		return chosen, "", badRequest("sort: %v", err)
	}
	return chosen, order, nil
}

func (s *Server) flowsPage(r *http.Request) (any, error) {
	parameters := r.URL.Query()
	chosen, order, err := flowsQuery(parameters)
	if err != nil {
		return nil, err
	}
	limit, err := number(parameters, "limit", 100, 1, 10_000)
	if err != nil {
		return nil, err
	}
	offset, err := number(parameters, "offset", 0, 0, 1_000_000)
	if err != nil {
		return nil, err
	}
	return s.deps.Flows.Flows(r.Context(), chosen, order, int(limit), int(offset))
}

// complete answers GET /api/v1/complete?what=&q=: what a text may become.
func (s *Server) complete(r *http.Request) (any, error) {
	what, text := r.URL.Query().Get("what"), r.URL.Query().Get("q")
	if len(text) > 200 {
		return nil, badRequest("q: want at most 200 bytes")
	}
	if what != "as" && what != "exporter" && what != "interface" {
		return nil, badRequest("what=%s: want as, exporter or interface", what)
	}
	return s.deps.Flows.Complete(r.Context(), what, text)
}
