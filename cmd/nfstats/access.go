package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/httpui"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine"
)

// passwordCost makes one guess take about a quarter of a second.
const passwordCost = 12

// newPasswordCommand makes what users and tokens have in the configuration.
func newPasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "password",
		Short:   "Print the hash of a password read from standard input, and a new API token",
		Example: "  nfstats password < file-with-the-password",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isTerminal(cmd.InOrStdin()) {
				fmt.Fprintln(cmd.ErrOrStderr(), "Password (it is shown while you type):")
			}
			line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read the password: %w", err)
			}
			password := strings.TrimRight(line, "\r\n")
			if len(password) < 8 || len(password) > 72 {
				return fmt.Errorf("the password has %d octets: want 8 to 72 (bcrypt's limit)", len(password))
			}
			hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
			if err != nil {
				return fmt.Errorf("hash the password: %w", err)
			}
			token := "nfs_" + rand.Text() + rand.Text()
			fmt.Fprintf(cmd.OutOrStdout(), "http:\n  users:\n    - {name: NAME, password_bcrypt: %q, role: admin}\n  tokens:\n    # the program sends: Authorization: Bearer %s\n    - {name: NAME, sha256: \"%x\", role: viewer}\n",
				hash, token, sha256.Sum256([]byte(token)))
			return nil
		},
	}
}

// accessConfig translates who may do what.
func accessConfig(cfg *configs.Config) httpui.Access {
	a := httpui.Access{SessionsFile: filepath.Join(cfg.DataDir, sessionsFile),
		DevicesFile: filepath.Join(cfg.DataDir, knownDevicesFile), MetricsPublic: cfg.HTTP.MetricsPublic}
	for _, u := range cfg.HTTP.Users {
		a.Users = append(a.Users, httpui.User{Name: u.Name, PasswordBcrypt: u.PasswordBcrypt, Role: httpui.Role(u.Role)})
	}
	for _, t := range cfg.HTTP.Tokens {
		a.Tokens = append(a.Tokens, httpui.Token{Name: t.Name, SHA256: t.SHA256, Role: httpui.Role(t.Role)})
	}
	return a
}

// pageURL returns the address of the web UI.
func pageURL(cfg *configs.Config) string {
	if cfg.HTTP.TLS.Certificate != "" {
		return "https://" + cfg.HTTP.Listen
	}
	return "http://" + cfg.HTTP.Listen
}

// readOnlySQL returns where users' statements run.
func readOnlySQL(supervisor *engine.Supervisor, flows *store.Store) httpui.Statements {
	if supervisor == nil {
		return store.NewReadOnly(flows, nil)
	}
	return store.NewReadOnly(flows, &store.Reader{Dial: supervisor.DialReader, Key: supervisor.ReaderKey()})
}
