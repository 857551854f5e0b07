package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store"
)

func newSQLCommand(file *string) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "sql [STATEMENT]",
		Short: "Run one SQL statement against the configured ClickHouse",
		Long: `Run one SQL statement, given as argument or on standard input, against the
configured ClickHouse with full rights. The embedded ClickHouse is reached
through the running daemon; where none runs, it is started for the statement.`,
		Example: `  nfstats sql "SELECT exporter_addr, count() FROM flows GROUP BY exporter_addr"
  nfstats sql --format CSVWithNames < question.sql > answer.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			statement, err := statementOf(args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			cfg, _, err := loadConfig(*file)
			if err != nil {
				return err
			}
			if err := needTables(cfg); err != nil {
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
			return flows.Raw(cmd.Context(), statement, format, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "PrettyCompact", "any output format of ClickHouse: CSVWithNames, TSV, JSONEachRow, Vertical, …")
	return cmd
}

func statementOf(args []string, stdin io.Reader) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if len(args) == 0 && isTerminal(stdin) {
		return "", errors.New("give a statement as argument or on standard input")
	}
	text, err := io.ReadAll(stdin)
	if err != nil {
		return "", fmt.Errorf("read the statement from standard input: %w", err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return "", errors.New("the statement is empty")
	}
	return string(text), nil
}

// isTerminal tells whether somebody types.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
