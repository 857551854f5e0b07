package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/archives"
	"github.com/nfstats/nfstats/store/ipas"
)

// importFlags are those of an import.
type importFlags struct {
	archives.Options
	mapping  string // path
	dryRun   bool
	watch    bool
	parallel int
}

func newImportCommand(file *string) *cobra.Command {
	var forget string
	parent := &cobra.Command{
		Use:   "import",
		Short: "Import archives of flow-tools and nfdump",
		Long: `Import archives of flow-tools and nfdump into the configured ClickHouse, beside a
running daemon or without one. A file is known by its content: importing it again,
also after an interruption, yields each flow once.

What comes in is kept as long as flows that are received at the time of the import
(store.retention), however old it is.`,
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
	parent.AddCommand(newImportFormatCommand(file, archives.FlowTools), newImportFormatCommand(file, archives.Nfdump), &cobra.Command{
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
	o := importFlags{Options: archives.Options{Format: format}}
	cmd := &cobra.Command{
		Use:   format + " PATH...",
		Short: "Import files and folders written by " + format,
		Long: "Import files, folders with all below them, and patterns of files written by " + format + ".\n" +
			"- is standard input. Files that a collector still writes are skipped.",
		Args: atLeastOne("name files, folders or patterns: nfstats import " + format + " /var/netflow"),
		RunE: func(cmd *cobra.Command, paths []string) error { return o.run(cmd, *file, paths) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Exporter, "exporter", "", "`address` of the exporter, for flows whose file does not tell it")
	f.Uint32Var(&o.Sampling, "sampling", 1, "one packet in `N` was seen, for flows that the collector has not scaled already")
	f.StringVar(&o.Since, "since", "", "only flows that ended at this `time` (2025-03-01 or 2025-03-01T12:00:00Z, UTC) or later")
	f.StringVar(&o.Until, "until", "", "only flows that ended before this `time`")
	f.StringVar(&o.mapping, "mapping", "", "`file` with lines 'exporter OLD NEW' and 'interface EXPORTER OLD NEW'")
	f.BoolVar(&o.dryRun, "dry-run", false, "read the files and tell what would come in")
	f.BoolVar(&o.watch, "watch", false, "go on and import files as a collector finishes them")
	f.IntVar(&o.parallel, "parallel", runtime.GOMAXPROCS(0), "read this many files at once")
	return cmd
}

// run imports paths.
func (o *importFlags) run(cmd *cobra.Command, file string, paths []string) error {
	plan, err := o.plan()
	if err != nil {
		return err
	}
	progress := newTerminal(cmd.ErrOrStderr(), o.dryRun || o.watch)
	importer := &archives.Importer{Plan: plan, Parallel: o.parallel, Progress: progress.progress(), Open: os.Open, Stdin: cmd.InOrStdin()}
	importAll := func(ctx context.Context) error {
		files, err := archives.Find(paths, importer.Progress.Skip)
		if err != nil {
			return err
		}
		err = importer.Run(ctx, files)
		progress.wipe()
		fmt.Fprintln(cmd.OutOrStdout(), importer.Progress.State().Summary(o.dryRun))
		return err
	}
	if o.dryRun {
		return importAll(cmd.Context())
	}
	return withStore(cmd.Context(), file, func(ctx context.Context, cfg *configs.Config, flows *store.Store) error {
		importer.Flows = flows
		if importer.Retention, err = store.NewRetention(flows, retentionSettings(cfg), prometheus.NewRegistry(), zap.NewNop()); err != nil {
			return err
		}
		if importer.Collector, err = collectorName(cfg); err != nil {
			return err
		}
		if importer.Networks, err = openNetworks(cfg.ASN, zap.NewNop()); err != nil {
			return err
		}
		if problem := importer.Networks.Problem(); problem != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), problem)
		}
		if o.watch {
			return importer.Watch(ctx, paths)
		}
		return importAll(ctx)
	})
}

// plan checks the flags.
func (o *importFlags) plan() (*archives.Plan, error) {
	if o.parallel < 1 {
		return nil, errors.New("--parallel is at least 1")
	}
	if o.watch && o.dryRun {
		return nil, errors.New("--watch and --dry-run do not go together")
	}
	if o.mapping != "" {
		text, err := os.ReadFile(o.mapping)
		if err != nil {
			return nil, fmt.Errorf("read the mapping: %w", err)
		}
		o.Mapping = string(text)
	}
	plan, err := archives.NewPlan(o.Options)
	if wrong, ok := errors.AsType[*archives.OptionError](err); ok {
		return nil, fmt.Errorf("--%s %w", wrong.Option, wrong.Err)
	}
	return plan, err
}

// newImports returns the imports of the web UI. They read one file at a time:
// the daemon has flows to receive.
func newImports(cfg *configs.Config, collector string, flows *store.Store, retention *store.Retention, networks *ipas.Database, logger *zap.Logger) *archives.Jobs {
	return archives.NewJobs(archives.JobsConfig{Folder: cfg.Import.Folder, Collector: collector, Parallel: 1}, flows, retention, networks, logger)
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
	all, err := flows.Imports(ctx, 0)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tFLOWS\tPACKETS\tBYTES\tFIRST\tLAST\tFORMAT\tFILE")
	for _, i := range all {
		first, last := "-", "-"
		if i.Flows > 0 {
			first, last = i.FirstFlow.UTC().Format(time.RFC3339), i.LastFlow.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", i.ID, i.State, i.Flows, i.Packets, i.Bytes, first, last, i.Format, archives.Printable(i.Path))
		if i.Error != "" {
			fmt.Fprintf(w, "\t%s\n", archives.Printable(i.Error))
		}
	}
	return w.Flush()
}
