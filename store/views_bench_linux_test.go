package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nfstats/nfstats/store/filter"
)

// A benchQuestion is what one view asks, and how nfdump is asked the same.
type benchQuestion struct {
	view   string
	ask    func(ctx context.Context, s *Store, selection Selection) error
	filter func(i int) string // of the i-th time: another interface or system each
	nfdump func(i int) []string
	spans  []time.Duration
}

const (
	benchDays = 24 * time.Hour
	benchRuns = 20
)

func uplinkIf(i int) int { return 1000*(i%benchUplinks/2) + 1 + i%2 }

func ofUplink(i int) string {
	return fmt.Sprintf("in_if = 192.0.2.%d/%d", 1+i%benchUplinks/2, uplinkIf(i))
}

func everything(int) string { return "" }

func shares(by string, top int) func(context.Context, *Store, Selection) error {
	return func(ctx context.Context, s *Store, selection Selection) error {
		_, err := s.Shares(ctx, selection, by, top)
		return err
	}
}

func paths(dims ...string) func(context.Context, *Store, Selection) error {
	return func(ctx context.Context, s *Store, selection Selection) error {
		_, err := s.Paths(ctx, selection, dims, 20)
		return err
	}
}

var benchQuestions = []benchQuestion{
	{"pie of source AS, an uplink", shares("src_as", 50), ofUplink,
		func(i int) []string {
			return []string{"-s", "srcas/bytes", "-n", "50", fmt.Sprint("in if ", uplinkIf(i))}
		},
		[]time.Duration{time.Hour, benchDays, 30 * benchDays}},
	{"pies of source AS, all uplinks", shares("src_as", 50), everything,
		func(int) []string { return []string{"-s", "srcas/bytes", "-n", "50"} },
		[]time.Duration{time.Hour, benchDays, 30 * benchDays}},
	{"BGP AS", paths("src_as", "in_if", "out_if", "dst_as"), everything,
		func(int) []string {
			return []string{"-A", "srcas,inif,outif,dstas", "-O", "bytes", "-n", "500"}
		},
		[]time.Duration{time.Hour, benchDays, 30 * benchDays}},
	{"interface", paths("src_as", "in_if", "dst_as"), ofUplink,
		func(i int) []string {
			return []string{"-A", "srcas,inif,dstas", "-O", "bytes", "-n", "500", fmt.Sprint("in if ", uplinkIf(i))}
		},
		[]time.Duration{time.Hour, benchDays, 30 * benchDays}},
	{"top IP addresses", shares("src_addr", 50), everything,
		func(int) []string { return []string{"-s", "srcip/bytes", "-n", "50"} },
		[]time.Duration{time.Hour, benchDays}},
	{"raw flows of an address", func(ctx context.Context, s *Store, selection Selection) error {
		_, err := s.Flows(ctx, selection, "-bytes", 100, 0)
		return err
	}, func(i int) string { return fmt.Sprintf("dst_addr = 100.64.%d.%d", i/256, i%256) },
		func(i int) []string {
			return []string{"-O", "bytes", "-n", "100", fmt.Sprintf("dst ip 100.64.%d.%d", i/256, i%256)}
		},
		[]time.Duration{time.Hour}},
	{"traffic over time by AS", func(ctx context.Context, s *Store, selection Selection) error {
		_, err := s.Series(ctx, selection, "src_as", 10, 240)
		return err
	}, everything, nil, []time.Duration{time.Hour, benchDays, 30 * benchDays}},
}

// BenchmarkViews asks what the views ask of a day of flows, and nfdump the same of
// the same flows where that is installed. cold-ms is with the files out of memory
// (of this machine; the disk's own cache is not in our hands). Then it asks for the
// day once more, as scaled by SNMP counters of every uplink.
func BenchmarkViews(b *testing.B) {
	day := newBenchDay(b)
	files := day.nfcapdFiles(b)
	for _, q := range benchQuestions {
		for _, span := range q.spans {
			b.Run(fmt.Sprintf("%s/%v", q.view, span), func(b *testing.B) {
				for b.Loop() {
					cold, warm := day.measure(b, q, span)
					b.ReportMetric(ms(cold[len(cold)/2]), "cold-ms")
					b.ReportMetric(ms(warm[len(warm)/2]), "p50-ms")
					b.ReportMetric(ms(warm[len(warm)*95/100]), "p95-ms")
					if q.nfdump != nil && files != nil && span <= benchDays {
						theirs := files.ask(b, span, q.nfdump(1))
						b.ReportMetric(ms(theirs), "nfdump-ms")
						b.ReportMetric(float64(theirs)/float64(warm[len(warm)/2]), "x-nfdump")
					}
				}
			})
		}
	}
	day.calibrate(b)
	for _, q := range benchQuestions {
		b.Run(fmt.Sprintf("%s/%v, calibrated", q.view, q.spans[min(1, len(q.spans)-1)]), func(b *testing.B) {
			for b.Loop() {
				_, warm := day.measure(b, q, q.spans[min(1, len(q.spans)-1)])
				b.ReportMetric(ms(warm[len(warm)/2]), "p50-ms")
				b.ReportMetric(ms(warm[len(warm)*95/100]), "p95-ms")
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure returns how long the question takes with cold and with warm files, sorted.
func (d *benchDay) measure(b *testing.B, q benchQuestion, span time.Duration) (cold, warm []time.Duration) {
	for i := range 5 {
		d.forget(b)
		cold = append(cold, d.ask(b, q, span, i))
	}
	for i := range benchRuns {
		warm = append(warm, d.ask(b, q, span, i))
	}
	slices.Sort(cold)
	slices.Sort(warm)
	return cold, warm
}

func (d *benchDay) ask(b *testing.B, q benchQuestion, span time.Duration, i int) time.Duration {
	f, err := filter.Parse(q.filter(i))
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := q.ask(b.Context(), d.Store, Selection{From: d.to.Add(-span), To: d.to, Filter: f}); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// forget puts the data out of the page cache and of ClickHouse's caches.
func (d *benchDay) forget(b *testing.B) {
	for _, cache := range []string{"MARK", "UNCOMPRESSED", "QUERY CONDITION"} {
		d.exec(b, "SYSTEM DROP "+cache+" CACHE")
	}
	err := filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // parts come and go
		}
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		b.Fatal(err)
	}
}
