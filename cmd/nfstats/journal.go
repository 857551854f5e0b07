package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector"
	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/httpui"
	"github.com/nfstats/nfstats/store"
)

func newJournalCommand(file *string) *cobra.Command {
	parent := &cobra.Command{
		Use:   "journal",
		Short: "Show the journal, and what ClickHouse refused for its content",
		Long: `The journal holds received datagrams whose flows are not stored yet. A block of
flows that ClickHouse refuses for its content is set aside there: its datagrams
are kept, and the flows behind it go on. When the cause is gone, replay it.

All of this works beside a running daemon and without one.`,
	}
	leaf := func(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, cfg *configs.Config, args []string) error) {
		parent.AddCommand(&cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := loadConfig(*file)
			if err != nil {
				return err
			}
			return run(cmd, cfg, args)
		}})
	}
	leaf("state", "Show segments, checkpoint and sizes", cobra.NoArgs, func(cmd *cobra.Command, cfg *configs.Config, _ []string) error {
		return journalState(cmd.OutOrStdout(), cfg)
	})
	leaf("list", "List the blocks that ClickHouse refused", cobra.NoArgs, func(cmd *cobra.Command, cfg *configs.Config, _ []string) error {
		return journalList(cmd.OutOrStdout(), cfg)
	})
	leaf("replay ID...", "Store refused blocks, each flow once, with source 'replay:ID'", atLeastOne("name blocks to replay by their IDs: nfstats journal list shows them"), journalReplay)
	leaf("drop ID...", "Delete refused blocks", atLeastOne("name blocks to drop by their IDs: nfstats journal list shows them"), func(cmd *cobra.Command, cfg *configs.Config, ids []string) error {
		dir := journalConfig(cfg).Dir
		if err := needRefused(dir, ids); err != nil {
			return err
		}
		for _, id := range ids {
			if err := journal.DropRejected(dir, id); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "dropped %s\n", id)
		}
		return nil
	})
	return parent
}

func journalState(out io.Writer, cfg *configs.Config) error {
	c := journalConfig(cfg)
	info, err := journal.Inspect(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no journal in %s yet: nfstats serve makes it", c.Dir)
	}
	if err != nil {
		return err
	}
	total, behind := int64(0), uint64(0) // bytes of files, and of records behind the checkpoint
	for _, s := range info.Segments {
		total += s.Bytes
		if info.Checkpoint.Before(s.End) {
			behind += s.End.Offset - max(s.Base.Offset, info.Checkpoint.Offset)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "folder\t%s\n", c.Dir)
	fmt.Fprintf(w, "segments\t%d, %d of at most %d bytes\n", len(info.Segments), total, c.MaxSize)
	if len(info.Segments) > 0 {
		fmt.Fprintf(w, "oldest segment\t%s\n", info.Segments[0].Created.UTC().Format(time.RFC3339))
	}
	if info.CheckpointAt.IsZero() {
		fmt.Fprintf(w, "checkpoint\tnone\n")
	} else {
		fmt.Fprintf(w, "checkpoint\t%s, behind %d datagrams, with %d bytes of state\n", info.CheckpointAt.UTC().Format(time.RFC3339), info.Checkpoint.Datagrams, info.StateBytes)
	}
	fmt.Fprintf(w, "behind it\t%d bytes, which a restart reads\n", behind)
	fmt.Fprintf(w, "refused blocks\t%d\n", len(info.Rejected))
	return w.Flush()
}

func journalList(out io.Writer, cfg *configs.Config) error {
	list, err := journal.ListRejected(journalConfig(cfg).Dir)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(out, "no block was refused")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSET ASIDE\tDATAGRAMS\tBYTES\tCAUSE")
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", r.Token, r.SetAside.Format(time.RFC3339), r.Datagrams, r.Bytes, r.Cause)
	}
	return w.Flush()
}

func journalReplay(cmd *cobra.Command, cfg *configs.Config, ids []string) error {
	dir := journalConfig(cfg).Dir
	if err := needRefused(dir, ids); err != nil { // before an engine is started for nothing
		return err
	}
	name, err := collectorName(cfg)
	if err != nil {
		return err
	}
	connection, detach, err := attach(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer detach()
	flows, err := store.New(connection, zap.NewNop())
	if err != nil {
		return err
	}
	defer flows.Close()
	networks, err := openNetworks(cfg.ASN, zap.NewNop())
	if err != nil {
		return err
	}
	if problem := networks.Problem(); problem != "" {
		return errors.New(problem)
	}
	config := collectorConfig(cfg, name)
	config.Networks = networks
	for _, id := range ids {
		done, err := collector.Replay(cmd.Context(), config, id, flows)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "replayed %s: %d datagrams, %d flows, %d datagrams with problems\n", id, done.Datagrams, done.Flows, done.Problems)
	}
	return nil
}

// collectorName is what column collector holds of flows received here.
func collectorName(cfg *configs.Config) (string, error) {
	if cfg.Collector.Name != "" {
		return cfg.Collector.Name, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find the host name (collector.name sets one): %w", err)
	}
	return name, nil
}

// journalStatus translates for the status page what the collector tells.
func journalStatus(c *collector.Collector) func() httpui.JournalStatus {
	return func() httpui.JournalStatus {
		b := c.Backlog()
		s := httpui.JournalStatus{WaitingDatagrams: b.Datagrams, WaitingBytes: b.Bytes, Reason: b.Reason,
			Bytes: b.JournalBytes, LimitBytes: b.LimitBytes, MemoryBytes: b.MemoryBytes, RejectedBlocks: b.Rejected}
		if !b.Oldest.IsZero() {
			s.OldestMs = b.Oldest.UnixMilli()
		}
		return s
	}
}

// needRefused refuses IDs of which there is no block.
func needRefused(dir string, ids []string) error {
	for _, id := range ids {
		if _, err := os.Stat(filepath.Join(dir, "rejected", id)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no block %s was refused; see: nfstats journal list", id)
		} else if err != nil {
			return fmt.Errorf("look for refused block %s: %w", id, err)
		}
	}
	return nil
}
