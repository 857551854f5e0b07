package httpui

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nfstats/nfstats/store"
)

func (f *fakeFlows) Complete(context.Context, string, string) ([]store.Completion, error) {
	return []store.Completion{{Value: "64500", Name: "Example"}}, f.err
}

// whoisServer answers by subject until the test ends, and counts questions.
func whoisServer(t *testing.T, answers map[string]string) (address string, asked *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			question, _ := bufio.NewReader(conn).ReadString('\n')
			asked.Add(1)
			io.WriteString(conn, answers[strings.TrimSpace(question)])
			conn.Close()
		}
	}()
	return l.Addr().String(), asked
}

func TestWhois(t *testing.T) {
	authority, _ := whoisServer(t, map[string]string{"AS64500": "% a comment\r\naut-num: AS64500\r\nas-name: <b>EXAMPLE</b>\r\n"})
	first, asked := whoisServer(t, map[string]string{
		"AS64500":   "refer:        WHOIS.example\n\nas-block: AS64496-AS64511\n",
		"192.0.2.1": "refer: inside.example\ninetnum: 192.0.2.0 - 192.0.2.255\n",
		"192.0.2.9": strings.Repeat("x", 60_000) + "\n" + strings.Repeat("y", 60_000) + "\n",
	})
	s := testServer(t, &fakeFlows{})
	s.registry = newRegistryClient(first, false)
	s.registry.referred = func(host string) (string, bool) { return authority, host == "whois.example" }
	get := func(target string) (answer whoisAnswer, code int) {
		t.Helper()
		w := request(s, "GET", "/api/v1/whois?"+target)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: %s", target, w.Body)
		}
		return answer, w.Code
	}
	for range 2 {
		a, _ := get("as=64500")
		if a.OfflineName != "Example" || a.Registry == nil || a.Registry.Text != "aut-num: AS64500\nas-name: <b>EXAMPLE</b>\n" || a.Registry.Source != "127.0.0.1" {
			t.Errorf("AS64500: %+v %+v", a, a.Registry)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times, want once", n)
	}
	if a, _ := get("addr=192.0.2.1"); a.Registry == nil || !strings.Contains(a.Registry.Text, "inetnum: 192.0.2.0") {
		t.Errorf("a referral to an unknown server: %+v", a)
	}
	if a, _ := get("addr=192.0.2.2"); a.Registry != nil || !strings.Contains(a.Error, "says nothing") {
		t.Errorf("an empty answer: %+v", a)
	}
	if a, _ := get("addr=192.0.2.9"); a.Registry == nil || len(a.Registry.Text) > maxRegistryText+1 {
		t.Errorf("a long answer is not cut: %+v", a.Error)
	}
	for _, bad := range []string{"", "as=x", "as=1&addr=192.0.2.1", "addr=192.0.2.1%0d%0aAS1", "addr=fe80::1%25eth0", "as=4294967296"} {
		if _, code := get(bad); code != 400 {
			t.Errorf("%s: status %d, want 400", bad, code)
		}
	}
	s.registry = newRegistryClient("127.0.0.1:1", false)
	if a, code := get("as=64500"); code != 200 || a.OfflineName == "" || !strings.Contains(a.Error, "reach the registry") {
		t.Errorf("a registry that is away: %d %+v", code, a)
	}
	s.registry = newRegistryClient("", false)
	if a, _ := get("as=64500"); a.OfflineName != "Example" || !strings.Contains(a.Error, "http.whois") {
		t.Errorf("switched off: %+v", a)
	}
}

func TestReferralsStayWithTheRegistries(t *testing.T) {
	c := newRegistryClient("", false)
	for host, want := range map[string]bool{"whois.ripe.net": true, "whois.arin.net": true, "localhost": false, "192.0.2.1": false, "": false, "whois.ripe.net.example": false} {
		if _, ok := c.referred(host); ok != want {
			t.Errorf("%s: %v, want %v", host, ok, want)
		}
	}
}

func TestReverseDNS(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	s.registry = newRegistryClient("", false)
	if w := request(s, "GET", "/api/v1/rdns?addr=192.0.2.1"); w.Code != 404 {
		t.Errorf("switched off: %d", w.Code)
	}
	asked := 0
	s.registry.dns = func(_ context.Context, address string) ([]string, error) {
		asked++
		if address == "192.0.2.1" {
			return []string{"router.example."}, nil
		}
		return nil, &net.DNSError{IsNotFound: true}
	}
	for range 2 {
		if w := request(s, "GET", "/api/v1/rdns?addr=192.0.2.1"); !strings.Contains(w.Body.String(), `"names":["router.example"]`) {
			t.Errorf("%s", w.Body)
		}
		if w := request(s, "GET", "/api/v1/rdns?addr=2001:db8::1"); !strings.Contains(w.Body.String(), `"names":[]`) {
			t.Errorf("%s", w.Body)
		}
	}
	if asked != 2 {
		t.Errorf("the DNS was asked %d times, want twice", asked)
	}
	if w := request(s, "GET", "/api/v1/rdns?addr=x"); w.Code != 400 {
		t.Errorf("no address: %d", w.Code)
	}
}
