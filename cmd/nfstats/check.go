package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/store/engine"
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
			for _, open := range cfg.Open() {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", open)
			}
			if err := checkFiles(cfg); err != nil {
				return err
			}
			if used == "" {
				used = "none, defaults and environment only"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "# configuration file: %s\n", used)
			return cfg.Print(cmd.OutOrStdout())
		},
	}
}

// checkFiles reports files named by the configuration that cannot be what they
// should be.
func checkFiles(cfg *configs.Config) error {
	var problems []error
	if cfg.Store.ClickHouse == "" && cfg.Store.Embedded.Library != "" {
		if _, err := engine.FindLibrary(cfg.Store.Embedded.Library); err != nil {
			problems = append(problems, err)
		}
	}
	networks, err := openNetworks(cfg.ASN, zap.NewNop())
	if err != nil {
		problems = append(problems, err)
	} else if problem := networks.Problem(); problem != "" {
		problems = append(problems, errors.New(problem))
	}
	return errors.Join(problems...)
}
