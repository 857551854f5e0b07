package store

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Raw runs one statement and copies the answer, as ClickHouse formats it, to w.
// A FORMAT clause in the statement wins over format.
//
// Only ClickHouse's HTTP interface formats answers, so this is the one place
// that does not go through clickhouse-go. For a server configured by its native
// port, HTTP is expected at the default port of the same host: 8123, or 8443
// with TLS.
func (s *Store) Raw(ctx context.Context, statement, format string, w io.Writer) error {
	return s.rawWith(ctx, statement, format, nil, nil, w)
}

// rawWith is Raw with query parameters and settings.
func (s *Store) rawWith(ctx context.Context, statement, format string, bound clickhouse.Parameters, settings clickhouse.Settings, w io.Writer) error {
	client, base := s.httpClient()
	defer client.CloseIdleConnections()
	parameters := parametersOf(s.database, format, settings)
	for name, value := range bound {
		parameters.Set("param_"+name, value)
	}
	response, err := postStatement(ctx, client, base, s.options.Auth, statement, parameters)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return copyAnswer(response, w)
}

func parametersOf(database, format string, settings clickhouse.Settings) url.Values {
	parameters := url.Values{"default_format": {format}, "database": {database}}
	for name, value := range settings {
		parameters.Set(name, fmt.Sprint(value))
	}
	return parameters
}

// postStatement returns the answer of ClickHouse's HTTP interface at base. A user
// without a name is nobody in particular.
func postStatement(ctx context.Context, client *http.Client, base string, user clickhouse.Auth, statement string, parameters url.Values) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/?"+parameters.Encode(), strings.NewReader(statement))
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse: %w", err)
	}
	if user != (clickhouse.Auth{}) {
		request.SetBasicAuth(user.Username, user.Password)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse: %w", err)
	}
	return response, nil
}

func (s *Store) httpClient() (client *http.Client, base string) {
	transport := &http.Transport{TLSClientConfig: s.options.TLS}
	scheme, address := "http", s.options.Addr[0]
	if s.options.TLS != nil {
		scheme = "https"
	}
	if s.options.Protocol == clickhouse.Native {
		host, _, _ := net.SplitHostPort(address)
		address = net.JoinHostPort(host, map[string]string{"http": "8123", "https": "8443"}[scheme])
	}
	if dial := s.options.DialContext; dial != nil {
		transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }
	}
	return &http.Client{Transport: transport}, scheme + "://" + address
}
