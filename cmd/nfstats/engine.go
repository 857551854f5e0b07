package main

import (
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/nfstats/nfstats/store/engine"
)

func newEngineCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "engine",
		Short:  "The embedded ClickHouse; nfstats serve starts it",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The daemon reads these lines and adds time and level.
			encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "message"})
			logger := zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), zapcore.InfoLevel))
			return engine.Serve(cmd.Context(), logger)
		},
	}
}
