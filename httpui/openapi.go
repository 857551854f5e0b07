package httpui

import (
	_ "embed"
	"net/http"
)

// openAPIFile describes the API (OpenAPI 3.1). openapi_test.go writes it from the
// types that the handlers answer with, and fails where it is not theirs.
//
//go:embed openapi.json
var openAPIFile []byte

// openAPI answers GET /api/v1/openapi.json.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(openAPIFile)
}
