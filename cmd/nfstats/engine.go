package main

import (
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/nfstats/nfstats/store/engine"
)

// newEngineCommands returns the commands by which nfstats becomes a process of
// the embedded ClickHouse.
func newEngineCommands() []*cobra.Command {
	serve := func(cmd *cobra.Command, _ []string) error {
		// The daemon reads these lines and adds time and level.
		encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "message"})
		logger := zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), zapcore.InfoLevel))
		return engine.Serve(cmd.Context(), logger)
	}
	return []*cobra.Command{
		{Use: "engine", Short: "The embedded ClickHouse; nfstats serve starts it", Hidden: true, Args: cobra.NoArgs, RunE: serve},
		{Use: "reader", Short: "The process for users' SQL; nfstats serve starts it", Hidden: true, Args: cobra.NoArgs, RunE: serve},
	}
}
