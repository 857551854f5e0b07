package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// answersAreDescribed asks for everything that openapi.json says can be read, and
// holds the answers against it. values are parameters of paths and queries.
func (d *daemon) answersAreDescribed(values map[string]string, lacking ...string) {
	d.t.Helper()
	text, err := d.get(d.http + "/api/v1/openapi.json")
	if err != nil {
		d.t.Fatal(err)
	}
	description, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		d.t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", description); err != nil {
		d.t.Fatal(err)
	}
	asked := 0
	for path, methods := range description.(map[string]any)["paths"].(map[string]any) {
		get, readable := methods.(map[string]any)["get"].(map[string]any)
		if !readable || path == "/api/v1/openapi.json" || slices.Contains(lacking, path) {
			continue
		}
		target, query := path, url.Values{}
		parameters, _ := get["parameters"].([]any)
		for _, p := range parameters {
			p := p.(map[string]any)
			name := p["name"].(string)
			switch value, known := values[name]; {
			case p["in"] == "path":
				target = strings.ReplaceAll(target, "{"+name+"}", value)
			case p["required"] == true || known && name == "addr" && path == "/api/v1/whois":
				query.Set(name, value)
			}
		}
		escaped := strings.ReplaceAll(url.PathEscape(strings.ReplaceAll(path, "/", "~1")), "+", "%2B")
		schema, err := compiler.Compile("openapi.json#/paths/" + escaped + "/get/responses/200/content/application~1json/schema")
		if err != nil {
			d.t.Errorf("%s: %v", path, err)
			continue
		}
		body, err := d.get(d.http + target + "?" + query.Encode())
		if err != nil {
			d.t.Errorf("%s: %v %.300s", target, err, body)
			continue
		}
		answer, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err == nil {
			err = schema.Validate(answer)
		}
		if err != nil {
			d.t.Errorf("%s is not answered as described: %v\n%.600s", target, err, body)
		}
		asked++
	}
	if asked < 15 {
		d.t.Errorf("only %d answers were looked at", asked)
	}
}
