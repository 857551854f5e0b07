// Command nfstats collects NetFlow v5, v9 and IPFIX into ClickHouse and shows
// where traffic comes from and goes to.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	syscall.Umask(privateMask)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "nfstats:", err)
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "nfstats",
		Short:         "NetFlow and IPFIX into ClickHouse, and a page that shows it",
		SilenceUsage:  true,
		SilenceErrors: true, // main prints them
	}
	var file string
	root.PersistentFlags().StringVarP(&file, "config", "c", "", "configuration file (default $NFSTATS_CONFIG, else /etc/nfstats/nfstats.yaml where it exists)")
	root.AddCommand(newServeCommand(&file), newSQLCommand(&file), newJournalCommand(&file), newImportCommand(&file), newCheckCommand(&file), newVersionCommand(), newDemoCommand(), newPasswordCommand())
	root.AddCommand(newEngineCommands()...)
	return root
}

// atLeastOne refuses a command without arguments and says what to give.
func atLeastOne(advice string) cobra.PositionalArgs {
	return func(_ *cobra.Command, arguments []string) error {
		if len(arguments) == 0 {
			return errors.New(advice)
		}
		return nil
	}
}
