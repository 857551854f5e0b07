package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TLS says how the user's servers are verified and how nfstats shows who it is.
// It holds where Config.URL asks for TLS.
type TLS struct {
	CA          string // PEM file of certificates to trust instead of the system's
	Certificate string // PEM files of the client's certificate
	Key         string // and key
	SkipVerify  bool   // trust whoever answers
}

// serverOptions returns the client's options for the user's servers.
func serverOptions(cfg Config) (*clickhouse.Options, error) {
	options, err := clickhouse.ParseDSN(secured(cfg.URL))
	if err != nil {
		return nil, errors.New("store.clickhouse is not a URL that ClickHouse's client understands") // its error would print the password
	}
	if options.Compression == nil {
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	if cfg.PasswordFile != "" {
		password, err := os.ReadFile(cfg.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read store.password_file: %w", err)
		}
		options.Auth.Password = strings.TrimRight(string(password), "\r\n")
	}
	return options, setTLS(options, cfg.TLS)
}

// secured says of an https URL what clickhouse-go wants to be told beside it.
func secured(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" {
		return text
	}
	query := u.Query()
	query.Set("secure", "true")
	u.RawQuery = query.Encode()
	return u.String()
}

func setTLS(options *clickhouse.Options, t TLS) error {
	if options.TLS == nil {
		if t != (TLS{}) {
			return errors.New("store.tls is set, but store.clickhouse does not ask for TLS: write https:// or ?secure=true")
		}
		return nil
	}
	if options.TLS.InsecureSkipVerify && !t.SkipVerify {
		return errors.New("store.clickhouse asks to trust any server (skip_verify); name your CA in store.tls.ca, or set store.tls.skip_verify")
	}
	options.TLS.InsecureSkipVerify = t.SkipVerify
	options.TLS.MinVersion = tls.VersionTLS12
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return fmt.Errorf("read store.tls.ca: %w", err)
		}
		options.TLS.RootCAs = x509.NewCertPool()
		if !options.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("store.tls.ca: %s holds no certificate in PEM form", t.CA)
		}
	}
	if t.Certificate != "" || t.Key != "" {
		// Read for each connection, so that a renewed certificate needs no restart.
		read := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
			if err != nil {
				return nil, fmt.Errorf("read store.tls.certificate and store.tls.key: %w", err)
			}
			return &pair, nil
		}
		if _, err := read(); err != nil {
			return err
		}
		options.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() }
	}
	return nil
}

// setLimits sets what holds for every server.
func setLimits(options *clickhouse.Options, cluster string) {
	if cluster != "" {
		if options.Settings == nil {
			options.Settings = clickhouse.Settings{}
		}
		maps.Copy(options.Settings, clusterSettings)
	}
	options.Auth.Database = ""
	options.MaxOpenConns = 16
	options.MaxIdleConns = 8
	options.DialTimeout = 5 * time.Second
	options.ReadTimeout = 5 * time.Minute
	options.ClientInfo.Products = append(options.ClientInfo.Products, struct{ Name, Version string }{"nfstats", ""})
}
