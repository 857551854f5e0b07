package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/nfstats/nfstats/configs"
)

func newCheckCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and print it with secrets masked",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, used, err := loadConfig(*file)
			if err != nil {
				return err
			}
			for _, name := range configs.UnknownVariables(os.Environ()) {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: variable %s is no configuration key\n", name)
			}
			if used == "" {
				used = "none, defaults and environment only"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "# configuration file: %s\n", used)
			return cfg.Print(cmd.OutOrStdout())
		},
	}
}
