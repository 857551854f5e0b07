package httpui

import (
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestLogLevel(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	put := func(body string) int {
		code, _ := send(s, "PUT", "/api/v1/system/log_level", body)
		return code
	}
	if code := put(`{"level":"debug"}`); code != 200 || s.deps.LogLevel.Level() != zap.DebugLevel {
		t.Errorf("status %d, level %s", code, s.deps.LogLevel)
	}
	for body, want := range map[string]int{`{"level":"fatal"}`: 422, `{"level":""}`: 422, `{}`: 422, `x`: 400, `{"levels":"info"}`: 400} {
		if code := put(body); code != want {
			t.Errorf("%s: status %d, want %d", body, code, want)
		}
	}
	if !strings.Contains(s.deps.LogLevel.String(), "debug") {
		t.Errorf("level %s", s.deps.LogLevel)
	}
}
