package archives

import "testing"

func TestMessagesAreOneLine(t *testing.T) {
	m := Message{Kind: Damaged, Path: "evil\x1b[31m\nimported 9 flows\u202e", Reason: "truncated at octet 5"}
	if got, want := m.String(), "evil\ufffd[31m\ufffdimported 9 flows\ufffd: truncated at octet 5; what comes before is kept"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
