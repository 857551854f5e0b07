package configs

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// Print writes the configuration as YAML with secrets masked.
func (c *Config) Print(w io.Writer) error {
	masked := *c
	masked.Store.ClickHouse = maskPassword(c.Store.ClickHouse)
	var out strings.Builder
	printStruct(&out, reflect.ValueOf(masked), "")
	_, err := io.WriteString(w, out.String())
	return err
}

// String returns the override as it stands in a configuration file.
func (o SamplingOverride) String() string {
	text := fmt.Sprintf("{exporters: %q", o.Exporters)
	if o.Domain != nil {
		text += fmt.Sprintf(", domain: %d", *o.Domain)
	}
	if o.Interface != nil {
		text += fmt.Sprintf(", interface: %d", *o.Interface)
	}
	return text + fmt.Sprintf(", rate: %d}", o.Rate)
}

func maskPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	query := u.Query()
	if query.Has("password") {
		query.Set("password", "xxxxx")
		u.RawQuery = query.Encode()
	}
	return u.Redacted()
}

func printStruct(out *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("mapstructure"), v.Field(i)
		switch value := field.Interface().(type) {
		case string:
			fmt.Fprintf(out, "%s%s: %q\n", indent, key, value)
		case bool, int, uint32, ByteSize, Days, time.Duration:
			fmt.Fprintf(out, "%s%s: %v\n", indent, key, value)
		default:
			if field.Kind() == reflect.Struct {
				fmt.Fprintf(out, "%s%s:\n", indent, key)
				printStruct(out, field, indent+"  ")
				continue
			}
			items := make([]string, field.Len())
			for j := range items {
				switch item := field.Index(j).Interface().(type) {
				case SamplingOverride, SNMPCredential, SNMPDevice, HTTPUser, HTTPToken:
					items[j] = fmt.Sprint(item)
				default:
					items[j] = fmt.Sprintf("%q", fmt.Sprint(item))
				}
			}
			fmt.Fprintf(out, "%s%s: [%s]\n", indent, key, strings.Join(items, ", "))
		}
	}
}
