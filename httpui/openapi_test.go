package httpui

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"

	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
)

var updateOpenAPI = flag.Bool("update", false, "write openapi.json anew")

// Parameters, as the handlers read them.
type (
	rangeParameters struct {
		From int64 `query:"from" description:"Unix seconds; an hour before to by default"`
		To   int64 `query:"to" description:"Unix seconds, not included; now by default"`
	}
	selectionParameters struct {
		rangeParameters
		Filter    string `query:"filter" description:"filter language, see docs/api.md; all flows by default"`
		Scale     string `query:"scale" enum:"auto,sampled,raw,calibrated" default:"auto"`
		Direction string `query:"direction" enum:"in,out" default:"in" description:"the interface of a flow that calibrates it"`
	}
	seriesParameters struct {
		selectionParameters
		By     string `query:"by" default:"src_as" description:"dimension"`
		Top    int    `query:"top" default:"10" minimum:"1" maximum:"100"`
		Points int    `query:"points" default:"240" minimum:"1" maximum:"2000"`
	}
	sharesParameters struct {
		selectionParameters
		By  string `query:"by" default:"src_as" description:"dimension"`
		Top int    `query:"top" default:"50" minimum:"1" maximum:"10000"`
	}
	pathsParameters struct {
		selectionParameters
		Dims string `query:"dims" default:"src_as,in_if,out_if,dst_as" description:"two to four dimensions"`
		Top  int    `query:"top" default:"20" description:"values of each dimension that have a node of their own"`
	}
	flowsParameters struct {
		selectionParameters
		Sort   string `query:"sort" default:"-bytes" description:"a column, with - before it for the largest first"`
		Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"10000"`
		Offset int    `query:"offset" default:"0" minimum:"0" maximum:"1000000"`
		Format string `query:"format" enum:"json,csv" default:"json" description:"csv streams all flows, whatever limit and offset are"`
	}
	completeParameters struct {
		What string `query:"what" enum:"as,exporter,interface" required:"true"`
		Q    string `query:"q" maxLength:"200" description:"what was typed"`
	}
	whoisParameters struct {
		AS   uint32     `query:"as" description:"either this"`
		Addr netip.Addr `query:"addr" description:"or this"`
	}
	setupParameters struct {
		Router netip.Addr `query:"router" description:"whom local_address is towards"`
	}
	reverseParameters struct {
		Addr netip.Addr `query:"addr" required:"true"`
	}
	exporterParameters struct {
		Exporter netip.Addr `query:"exporter" description:"all by default"`
	}
	calibrationParameters struct {
		rangeParameters
		Exporter  netip.Addr `query:"exporter" description:"all by default"`
		IfIndex   uint32     `query:"if_index" description:"all by default"`
		Direction string     `query:"direction" enum:"in,out" description:"both by default"`
	}
	addressPath struct {
		Address netip.Addr `path:"address"`
	}
	idPath struct {
		ID string `path:"id"`
	}
	interfacePath struct {
		Exporter netip.Addr `path:"exporter"`
		IfIndex  uint32     `path:"ifIndex"`
		interfaceInput
	}
	deviceChange struct {
		idPath
		deviceInput
	}
	filesParameters struct {
		Path string `query:"path" description:"below import.folder; the folder itself by default"`
	}
)

// errorAnswer is what every error is answered with.
type errorAnswer struct {
	Error     string            `json:"error"`
	RequestID string            `json:"request_id"`
	Position  *int              `json:"position,omitempty"` // of the fault in a filter, in characters
	Errors    map[string]string `json:"errors,omitempty"`   // what is wrong, by field of the input
}

// A described route is what openapi.json says of a route.
type described struct {
	pattern, about string
	input, answer  any
}

var nothing = struct{}{}

var describedRoutes = []described{
	{"POST /api/v1/login", "Starts a session; its cookie comes with the answer", struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}{}, sessionAnswer{}},
	{"POST /api/v1/logout", "Ends the session", nothing, sessionAnswer{}},
	{"GET /api/v1/session", "Who asks, and whether a login is needed", nothing, sessionAnswer{}},
	{"POST /api/v1/sql", "Runs a read-only statement; with ?format=csv as a stream", struct {
		Format string `query:"format" enum:"json,csv"`
		sqlInput
	}{}, sqlAnswer{}},
	{"GET /api/v1/series", "Traffic over time by a dimension", seriesParameters{}, store.Series{}},
	{"GET /api/v1/shares", "The largest values of a dimension", sharesParameters{}, store.Shares{}},
	{"GET /api/v1/paths", "The ways through two to four dimensions", pathsParameters{}, store.Paths{}},
	{"GET /api/v1/flows", "Raw flows", flowsParameters{}, store.FlowsPage{}},
	{"GET /api/v1/complete", "What a text may become", completeParameters{}, []store.Completion{}},
	{"GET /api/v1/whois", "Who an AS or an address belongs to", whoisParameters{}, whoisAnswer{}},
	{"GET /api/v1/rdns", "Names of an address in the DNS", reverseParameters{}, struct {
		Addr  netip.Addr `json:"addr"`
		Names []string   `json:"names"`
	}{}},
	{"GET /api/v1/exporters", "Who sent flows in the time range or since the daemon started", rangeParameters{}, struct {
		From      int64            `json:"from"`
		To        int64            `json:"to"`
		Exporters []exporterAnswer `json:"exporters"`
		SQL       string           `json:"sql"` // gives the same numbers
	}{}},
	{"GET /api/v1/exporters/{address}/templates", "Templates that an exporter announced", addressPath{}, struct {
		Address   netip.Addr               `json:"address"`
		Templates []netflow.TemplateStatus `json:"templates"`
	}{}},
	{"GET /api/v1/status", "Whether flows are stored, and what stands against it", nothing, statusAnswer{}},
	{"GET /api/v1/setup", "Where flows are received, and configuration lines of routers to paste", setupParameters{}, setupAnswer{}},
	{"GET /api/v1/system", "Versions, tables, disk and journal", nothing, systemAnswer{}},
	{"PUT /api/v1/system/log_level", "What is logged until the daemon stops", struct {
		Level string `json:"level" enum:"debug,info,warn,error" required:"true"`
	}{}, struct {
		LogLevel string `json:"log_level"`
	}{}},
	{"GET /api/v1/system/retention", "How long flows are kept", nothing, retentionAnswer{}},
	{"PUT /api/v1/system/retention", "Changes how long flows are kept; what is left out stays", retentionSettings{}, retentionAnswer{}},
	{"GET /api/v1/interfaces", "Interfaces, their rates and their calibration", exporterParameters{}, struct {
		Interfaces []interfaceAnswer `json:"interfaces"`
	}{}},
	{"PATCH /api/v1/interfaces/{exporter}/{ifIndex}", "Changes what operators say of an interface; what is left out stays", interfacePath{}, interfaceAnswer{}},
	{"GET /api/v1/devices", "Whoever is polled or sent flows", nothing, struct {
		Devices []deviceAnswer `json:"devices"`
	}{}},
	{"POST /api/v1/devices", "Adds a device that is polled; without a credential it only names an exporter", deviceInput{}, deviceAnswer{}},
	{"PATCH /api/v1/devices/{id}", "Changes a device; what is left out stays", deviceChange{}, deviceAnswer{}},
	{"DELETE /api/v1/devices/{id}", "Removes SNMP access, or forgets a host that is not polled", idPath{}, struct {
		Removed netip.Addr `json:"removed"`
		Note    string     `json:"note"`
	}{}},
	{"GET /api/v1/devices/{id}/discover", "How reading a device's interfaces goes", idPath{}, snmp.Discovery{}},
	{"POST /api/v1/devices/{id}/discover", "Starts reading a device's interfaces", idPath{}, snmp.Discovery{}},
	{"GET /api/v1/imports", "Archives that were imported", nothing, importsAnswer{}},
	{"POST /api/v1/imports", "Starts an import from import.folder", importInput{}, jobAnswer{}},
	{"DELETE /api/v1/imports/{id}", "Removes the flows of an imported file", idPath{}, importAnswer{}},
	{"GET /api/v1/imports/files", "Files that may be imported", filesParameters{}, struct {
		Files     []importFile `json:"files"`
		Truncated bool         `json:"truncated"`
	}{}},
	{"GET /api/v1/imports/jobs", "Imports that run, or ran since the daemon started", nothing, struct {
		Jobs []jobAnswer `json:"jobs"`
	}{}},
	{"DELETE /api/v1/imports/jobs/{id}", "Cancels an import", idPath{}, struct {
		Jobs []jobAnswer `json:"jobs"`
	}{}},
	{"GET /api/v1/calibration", "SNMP, flows and what calibrates them, by interface and direction", calibrationParameters{}, struct {
		From          int64               `json:"from"`
		To            int64               `json:"to"`
		BucketSeconds int                 `json:"bucket_seconds"`
		Interfaces    []calibrationAnswer `json:"interfaces"`
		SQL           string              `json:"sql"` // gives the same numbers
	}{}},
	{"POST /api/v1/calibration/accept", "Sets a sampling rate that the calibration suggests", acceptInput{}, struct {
		Exporter     netip.Addr `json:"exporter"`
		IfIndex      uint32     `json:"if_index"`
		SamplingRate uint32     `json:"sampling_rate"`
		AppliesTo    string     `json:"applies_to" enum:"interface,exporter"`
	}{}},
	{"GET /api/v1/openapi.json", "This description", nothing, map[string]any{}},
}

// describe makes the description of all routes.
func describe(t *testing.T) []byte {
	t.Helper()
	r := openapi31.NewReflector()
	r.Spec.Info.WithTitle("NFStats").WithVersion("1").WithDescription("Times are Unix seconds where a name has no unit, Unix milliseconds in names that end with _ms. docs/api.md explains the parameters.")
	r.AddTypeMapping(netip.Addr{}, "")
	r.AddTypeMapping(json.RawMessage{}, (*any)(nil))
	r.AddTypeMapping(netflow.Dropped{}, map[string]uint64{})
	// A pointer to an object may be null.
	r.DefaultOptions = append(r.DefaultOptions, jsonschema.InterceptNullability(func(p jsonschema.InterceptNullabilityParams) {
		if p.RefDef != nil && p.Type.Kind() == reflect.Pointer && !p.OmitEmpty && p.Schema.Ref != nil {
			null, object := jsonschema.SimpleType(jsonschema.Null), jsonschema.Schema{Ref: p.Schema.Ref}
			p.Schema.Ref, p.Schema.Type = nil, nil
			p.Schema.AnyOf = []jsonschema.SchemaOrBool{object.ToSchemaOrBool(), null.ToSchemaOrBool()}
		}
	}))
	// An answer has what is described and nothing else.
	r.DefaultOptions = append(r.DefaultOptions, jsonschema.InterceptSchema(func(p jsonschema.InterceptSchemaParams) (bool, error) {
		if p.Processed && p.Schema.AdditionalProperties == nil && len(p.Schema.Properties) > 0 {
			no := false
			p.Schema.AdditionalProperties = &jsonschema.SchemaOrBool{TypeBoolean: &no}
		}
		return false, nil
	}))
	for _, d := range describedRoutes {
		method, path, _ := strings.Cut(d.pattern, " ")
		operation, err := r.NewOperationContext(method, path)
		if err != nil {
			t.Fatal(err)
		}
		operation.SetSummary(d.about)
		if d.input != nothing {
			operation.AddReqStructure(d.input)
		}
		operation.AddRespStructure(d.answer, openapi.WithHTTPStatus(http.StatusOK))
		operation.AddRespStructure(errorAnswer{}, func(u *openapi.ContentUnit) { u.IsDefault = true })
		if err := r.AddOperation(operation); err != nil {
			t.Fatalf("%s: %v", d.pattern, err)
		}
	}
	text, err := json.MarshalIndent(r.Spec, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// TestOpenAPI holds the file against the routes and the types.
func TestOpenAPI(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	var routes, known []string
	for _, pattern := range s.patterns {
		if strings.HasPrefix(pattern, "/") {
			pattern = "GET " + pattern
		}
		if strings.Contains(pattern, " /api/v1/") {
			routes = append(routes, pattern)
		}
	}
	for _, d := range describedRoutes {
		known = append(known, d.pattern)
	}
	for _, route := range routes {
		if !slices.Contains(known, route) {
			t.Errorf("%s is not described: add it to describedRoutes, then go test ./httpui -run TestOpenAPI -update", route)
		}
	}
	for _, route := range known {
		if !slices.Contains(routes, route) {
			t.Errorf("%s is described and is no route", route)
		}
	}
	text := describe(t)
	if *updateOpenAPI {
		if err := os.WriteFile("openapi.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != string(openAPIFile) {
		t.Error("openapi.json is not what the types say: go test ./httpui -run TestOpenAPI -update writes it anew")
	}
}
