package httpui

import (
	"net/http"

	"github.com/nfstats/nfstats/configs"
)

// setupAnswer is GET /api/v1/setup: what a first start needs.
type setupAnswer struct {
	Receiving []string      `json:"receiving"` // host:port to which routers can send flows
	Routers   []routerSetup `json:"routers"`
}

// routerSetup is how one vendor's routers export flows.
type routerSetup struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Text string `json:"text"` // lines to paste, with {address}, {port} and {rate} to be filled in
}

// setup answers GET /api/v1/setup.
func (s *Server) setup(*http.Request) (any, error) {
	routers, err := configs.Routers()
	if err != nil {
		return nil, err
	}
	answer := setupAnswer{Receiving: Reachable(s.deps.Addresses()), Routers: []routerSetup{}}
	for _, r := range routers {
		answer.Routers = append(answer.Routers, routerSetup(r))
	}
	return answer, nil
}
