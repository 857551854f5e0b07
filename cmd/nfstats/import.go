package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
	"github.com/nfstats/nfstats/decoder/flowtools"
	"github.com/nfstats/nfstats/decoder/nfdump"
	"github.com/nfstats/nfstats/store"
)

// An archiveReader reads one archive file of either format.
type archiveReader interface {
	Read(b *decoder.Batch, maxRows int) (int, error)
	Totals() archive.Totals
	Offset() int64
	Warnings() []string
}

// importOptions are the flags of an import.
type importOptions struct {
	format       string
	exporter     string
	sampling     uint32
	since, until string
	mapping      string
	dryRun       bool
	watch        bool
	parallel     int
}

// importPlan is what importOptions mean.
type importPlan struct {
	format           string
	open             func(r io.Reader, name string) (archiveReader, error)
	sinceMs, untilMs int64 // end of the flow, half open; 0 for no limit
	mapping          *mapping
	digest           string // of all that changes what comes in
}

func newImportCommand(file *string) *cobra.Command {
	var forget string
	parent := &cobra.Command{
		Use:   "import",
		Short: "Import archives of flow-tools and nfdump",
		Long: `Import archives of flow-tools and nfdump into the configured ClickHouse, beside a
running daemon or without one. A file is known by its content: importing it again,
also after an interruption, yields each flow once.`,
		Example: `  nfstats import flow-tools /var/netflow/ft
  nfstats import nfdump --dry-run '/var/nfdump/2025/*'
  nfstats import list
  nfstats import --forget 3f2a90c1d5b7e8aa42cc1b0e6f7d9a11`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if forget == "" {
				return cmd.Help()
			}
			return withStore(cmd.Context(), *file, func(ctx context.Context, _ *configs.Config, flows *store.Store) error {
				i, err := flows.ForgetImport(ctx, forget)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "removed %d flows of %s\n", i.Flows, i.Path)
				}
				return err
			})
		},
	}
	parent.Flags().StringVar(&forget, "forget", "", "remove the flows of the import with this `ID`; the file can then be imported again")
	parent.AddCommand(newImportFormatCommand(file, "flow-tools"), newImportFormatCommand(file, "nfdump"), &cobra.Command{
		Use: "list", Short: "List what has been imported", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), *file, func(ctx context.Context, _ *configs.Config, flows *store.Store) error {
				return listImports(ctx, flows, cmd.OutOrStdout())
			})
		},
	})
	return parent
}

func newImportFormatCommand(file *string, format string) *cobra.Command {
	o := importOptions{format: format}
	cmd := &cobra.Command{
		Use:   format + " PATH...",
		Short: "Import files and folders written by " + format,
		Long: "Import files, folders with all below them, and patterns of files written by " + format + ".\n" +
			"- is standard input. Files that a collector still writes are skipped.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			plan, err := o.plan()
			if err != nil {
				return err
			}
			run := &importRun{plan: plan, parallel: o.parallel, progress: newProgress(cmd.ErrOrStderr()), out: cmd.OutOrStdout(), stdin: cmd.InOrStdin()}
			if o.dryRun {
				return run.files(cmd.Context(), paths)
			}
			return withStore(cmd.Context(), *file, func(ctx context.Context, cfg *configs.Config, flows *store.Store) error {
				run.flows = flows
				if run.retention, err = store.NewRetention(flows, retentionSettings(cfg), prometheus.NewRegistry(), zap.NewNop()); err != nil {
					return err
				}
				if run.collector, err = collectorName(cfg); err != nil {
					return err
				}
				if o.watch {
					return run.watch(ctx, paths)
				}
				return run.files(ctx, paths)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.exporter, "exporter", "", "`address` of the exporter, for flows whose file does not tell it")
	f.Uint32Var(&o.sampling, "sampling", 1, "one packet in `N` was seen, for flows that the collector has not scaled already")
	f.StringVar(&o.since, "since", "", "only flows that ended at this `time` (2025-03-01 or 2025-03-01T12:00:00Z, UTC) or later")
	f.StringVar(&o.until, "until", "", "only flows that ended before this `time`")
	f.StringVar(&o.mapping, "mapping", "", "`file` with lines 'exporter OLD NEW' and 'interface EXPORTER OLD NEW'")
	f.BoolVar(&o.dryRun, "dry-run", false, "read the files and tell what would come in")
	f.BoolVar(&o.watch, "watch", false, "go on and import files as a collector finishes them")
	f.IntVar(&o.parallel, "parallel", runtime.GOMAXPROCS(0), "read this many files at once")
	return cmd
}

// plan checks the flags.
func (o *importOptions) plan() (*importPlan, error) {
	p := &importPlan{format: o.format, mapping: &mapping{}}
	var exporter decoder.Addr
	if o.exporter != "" {
		a, err := netip.ParseAddr(o.exporter)
		if err != nil {
			return nil, fmt.Errorf("--exporter: %w", err)
		}
		exporter = a.As16()
	}
	var err error
	if p.sinceMs, err = parseTime(o.since); err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	if p.untilMs, err = parseTime(o.until); err != nil {
		return nil, fmt.Errorf("--until: %w", err)
	}
	if o.parallel < 1 || o.sampling < 1 {
		return nil, errors.New("--parallel and --sampling are at least 1")
	}
	if o.watch && o.dryRun {
		return nil, errors.New("--watch and --dry-run do not go together")
	}
	var text []byte
	if o.mapping != "" {
		if text, err = os.ReadFile(o.mapping); err != nil {
			return nil, fmt.Errorf("read the mapping: %w", err)
		}
		if p.mapping, err = parseMapping(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.mapping, err)
		}
	}
	if o.format == "nfdump" {
		p.open = func(r io.Reader, name string) (archiveReader, error) {
			return nfdump.Open(r, name, nfdump.Options{Exporter: exporter, SamplingRate: o.sampling})
		}
	} else {
		p.open = func(r io.Reader, name string) (archiveReader, error) {
			return flowtools.Open(r, name, flowtools.Options{Exporter: exporter, SamplingRate: o.sampling})
		}
	}
	sum := fnv.New64a()
	fmt.Fprint(sum, o.format, "\n", exporter, "\n", o.sampling, "\n", p.sinceMs, "\n", p.untilMs, "\n", string(text))
	p.digest = hex.EncodeToString(sum.Sum(nil))
	return p, nil
}

// parseTime returns Unix milliseconds, 0 for no text.
func parseTime(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time such as 2025-03-01 or 2025-03-01T12:00:00Z", text)
}

// withStore runs do with the tables of the configured ClickHouse.
func withStore(ctx context.Context, file string, do func(ctx context.Context, cfg *configs.Config, flows *store.Store) error) error {
	cfg, _, err := loadConfig(file)
	if err != nil {
		return err
	}
	connection, detach, err := attach(ctx, cfg)
	if err != nil {
		return err
	}
	defer detach()
	flows, err := store.New(connection, zap.NewNop())
	if err != nil {
		return err
	}
	defer flows.Close()
	if err := flows.Prepare(ctx); err != nil {
		return fmt.Errorf("prepare the tables: %w", err)
	}
	return do(ctx, cfg, flows)
}

func listImports(ctx context.Context, flows *store.Store, out io.Writer) error {
	all, err := flows.Imports(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tFLOWS\tPACKETS\tBYTES\tFIRST\tLAST\tFORMAT\tFILE")
	for _, i := range all {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", i.ID, i.State, i.Flows, i.Packets, i.Bytes,
			i.FirstFlow.UTC().Format(time.RFC3339), i.LastFlow.UTC().Format(time.RFC3339), i.Format, i.Path)
		if i.Error != "" {
			fmt.Fprintf(w, "\t%s\n", i.Error)
		}
	}
	return w.Flush()
}
