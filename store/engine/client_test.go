//go:build linux && amd64

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestClickhouseGoWorksOverTheSocket(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", `CREATE TABLE nf.t (a UInt64, b LowCardinality(String), c IPv6, d DateTime64(3, 'UTC'),
		e Enum8('x' = 1, 'y' = 2), f Array(UInt32), g Nullable(String), h Map(String, UInt8), i Tuple(UInt8, String)) ENGINE = MergeTree ORDER BY a`)
	batch, err := c.PrepareBatch(t.Context(), "INSERT INTO nf.t")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	const n = 50_000
	for i := range n {
		name := fmt.Sprint("n", i%3)
		if err := batch.Append(uint64(i), name, net.ParseIP("2001:db8::1"), at, "y", []uint32{1, 2, uint32(i)}, &name, map[string]uint8{"k": 7}, []any{uint8(3), "z"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), "SELECT * FROM nf.t WHERE a >= $1 ORDER BY a", uint64(n/2))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var a uint64
		var b, e string
		var ip net.IP
		var d time.Time
		var f []uint32
		var g *string
		var h map[string]uint8
		var i []any
		if err := rows.Scan(&a, &b, &ip, &d, &e, &f, &g, &h, &i); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint("n", a%3); b != want || g == nil || *g != want || ip.String() != "2001:db8::1" || !d.Equal(at) || e != "y" || f[2] != uint32(a) || h["k"] != 7 || fmt.Sprint(i) != "[3 z]" {
			t.Fatalf("row %d: %v %v %v %v %v %v %v %v", a, b, ip, d, e, f, g, h, i)
		}
		count++
	}
	if err := rows.Err(); err != nil || count != n/2 {
		t.Errorf("%d rows, want %d: %v", count, n/2, err)
	}
	var exception *clickhouse.Exception
	if err := c.Exec(t.Context(), "SELECT * FROM nosuch"); !errors.As(err, &exception) || exception.Code != 60 {
		t.Errorf("error %v (%T), want ClickHouse's code 60", err, err)
	}
}

func TestDeduplicationToken(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
	for _, token := range []string{"x", "x", "y"} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
		batch, err := c.PrepareBatch(ctx, "INSERT INTO nf.t")
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Append(uint8(1)); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	var n uint64
	if err := c.QueryRow(t.Context(), "SELECT count() FROM nf.t").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows, want 2: %v", n, err)
	}
}

func TestQueryEndsWhenItsClientGoes(t *testing.T) {
	s := start(t, t.TempDir())
	running := func() string {
		return box(t, s, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers(30000000000%'")
	}
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.config.Listen+"/?log_comment=hidden",
		strings.NewReader("SELECT count() FROM numbers(30000000000000) WHERE NOT ignore(sipHash64(number))"))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			err = fmt.Errorf("%s: %s", response.Status, body)
		}
		gone <- err
	}()
	eventually(t, "the query runs", func() error {
		if running() == "0" {
			select {
			case err := <-gone:
				t.Fatalf("the query has ended already: %v", err)
			default:
			}
			return fmt.Errorf("no query")
		}
		return nil
	})
	leave()
	<-gone
	eventually(t, "the query has ended", func() error {
		if n := running(); n != "0" {
			return fmt.Errorf("%s queries", n)
		}
		return nil
	})
}
