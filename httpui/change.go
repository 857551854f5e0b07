package httpui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/snmp"
)

// maxInput bounds the body of a request that changes something, in octets.
const maxInput = 64 << 10

// change turns a function that changes something and returns what to send as
// JSON into a handler. What is wrong with the fields of the input becomes 422
// {"errors": {field: message}}.
func (s *Server) change(do func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxInput)
		value, err := do(r)
		var wrong snmp.FieldErrors
		switch {
		case err == nil:
			s.deps.Logger.Info("changed", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("user", s.gate.identify(r).Name), zap.String("request_id", requestID(r)))
			s.sendJSON(w, r, http.StatusOK, value)
		case errors.As(err, &wrong):
			s.sendJSON(w, r, http.StatusUnprocessableEntity, map[string]any{"error": "Some fields are not right.", "errors": wrong, "request_id": requestID(r)})
		case errors.Is(err, snmp.ErrNoDevice):
			s.fail(w, r, http.StatusNotFound, "There is no such device.")
		case errors.Is(err, snmp.ErrFromConfig):
			s.fail(w, r, http.StatusConflict, "This device stands in the configuration file: change it there.")
		default:
			s.refuse(w, r, err)
		}
	}
}

// readInput decodes the JSON body of a request. Unknown fields are errors.
func readInput(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return snmp.FieldErrors{kind.Field: fmt.Sprintf("is a %s", kind.Value)}
		}
		return badRequest("The input is not the JSON object that this takes: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("Something follows the JSON object.")
	}
	return nil
}

// exporterOf reads the address of an exporter.
func exporterOf(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Addr{}, badRequest("%q is not an address", text)
	}
	return address.Unmap(), nil
}

// ifIndexOf reads an ifIndex.
func ifIndexOf(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, badRequest("%q is not an ifIndex", text)
	}
	return uint32(n), nil
}
