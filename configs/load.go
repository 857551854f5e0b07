package configs

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Defaults is the annotated file of all keys with their default values.
//
//go:embed nfstats.yaml
var Defaults []byte

const envPrefix = "NFSTATS_"

// EnvFile is the environment variable that names the configuration file. It is
// the one NFSTATS_ variable that is not a key.
const EnvFile = envPrefix + "CONFIG"

// Load returns the defaults, overlaid with the file (none for an empty path)
// and then with the environment ("NAME=value" strings, as of os.Environ).
//
// The error names every unknown and every ill-typed key with the file and line
// or the variable that it stands in. Validate is the caller's next step.
func Load(path string, environ []string) (*Config, error) {
	defaults, err := readLayer("built-in defaults", Defaults)
	if err != nil {
		return nil, err
	}
	layers := []layer{defaults}
	var problems []error
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		file, err := readLayer(path, text)
		if err != nil {
			return nil, err
		}
		for _, key := range file.keys() {
			if _, known := defaults.values[key]; !known {
				problems = append(problems, fmt.Errorf("%s: unknown key %s", file.where(key), key))
				delete(file.values, key)
			}
		}
		layers = append(layers, file)
	}
	layers = append(layers, environmentLayer(defaults.keys(), environ))

	cfg := new(Config)
	for _, l := range layers {
		for _, key := range l.keys() {
			if err := assign(cfg, key, l.values[key]); err != nil {
				problems = append(problems, fmt.Errorf("%s: key %s: %w", l.where(key), key, err))
			}
		}
	}
	return cfg, errors.Join(problems...)
}

// UnknownVariables returns the names of the NFSTATS_ variables that are no
// keys. They are worth a warning but no error: Kubernetes sets variables such
// as NFSTATS_SERVICE_HOST by itself.
func UnknownVariables(environ []string) []string {
	defaults, err := readLayer("built-in defaults", Defaults)
	if err != nil {
		return nil
	}
	known := map[string]bool{EnvFile: true}
	for key := range defaults.values {
		known[variable(key)] = true
	}
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// A layer is one source of values: by key ("store.embedded.listen"), with the
// place where each was written.
type layer struct {
	values map[string]any
	where  func(key string) string
}

func (l layer) keys() []string {
	keys := make([]string, 0, len(l.values))
	for key := range l.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func readLayer(name string, text []byte) (layer, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return layer{}, fmt.Errorf("%s: %w", name, err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return layer{}, fmt.Errorf("%s: %w", name, err)
	}
	lines := map[string]int{}
	if len(document.Content) > 0 {
		collectLines(document.Content[0], "", lines)
	}
	l := layer{values: map[string]any{}, where: func(key string) string {
		return fmt.Sprintf("%s:%d", name, lines[key])
	}}
	for _, key := range v.AllKeys() {
		l.values[key] = v.Get(key)
	}
	return l, nil
}

func collectLines(node *yaml.Node, prefix string, lines map[string]int) {
	if node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := strings.ToLower(prefix + node.Content[i].Value)
		lines[key] = node.Content[i].Line
		collectLines(node.Content[i+1], key+".", lines)
	}
}

func environmentLayer(keys, environ []string) layer {
	set := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			set[name] = value
		}
	}
	l := layer{values: map[string]any{}, where: variable}
	for _, key := range keys {
		if value, ok := set[variable(key)]; ok {
			l.values[key] = value
		}
	}
	return l
}

func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// assign decodes one value into the field of cfg that the key names.
func assign(cfg *Config, key string, value any) error {
	if value == nil && strings.HasPrefix(key, "store.retention.") {
		return fmt.Errorf("nothing is not %s", daysAccepted) // else it would be 0, forever
	}
	for path := strings.Split(key, "."); len(path) > 0; path = path[:len(path)-1] {
		value = map[string]any{path[len(path)-1]: value}
	}
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           cfg,
		ErrorUnused:      true,
		WeaklyTypedInput: true, // variables are text; YAML numbers may stand for sizes
		ZeroFields:       true, // a list replaces the default list
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			refuseMismatch,
			textToDuration,
			textToPlain,
			numberToText,
			mapstructure.TextUnmarshallerHookFunc(),
			commaList,
		),
	})
	if err != nil {
		return err
	}
	if err := d.Decode(value); err != nil {
		return reason(err)
	}
	return nil
}

// reason strips mapstructure's framing, which repeats the key.
func reason(err error) error {
	var typed *mapstructure.DecodeError
	if errors.As(err, &typed) {
		return typed.Unwrap()
	}
	return err
}

// refuseMismatch keeps weak typing from turning a wrong value into a plausible
// one: a number or a list for a text, a number for a switch or a duration.
func refuseMismatch(from, to reflect.Type, value any) (any, error) {
	wrong := false
	switch {
	case to == reflect.TypeFor[ByteSize]():
		wrong = from.Kind() != reflect.String && from.Kind() != reflect.Int
	case to == reflect.TypeFor[Days]():
		wrong = from.Kind() != reflect.String && from.Kind() != reflect.Int
	case to == reflect.TypeFor[time.Duration]():
		wrong = from.Kind() != reflect.String && from != to
	case to.Kind() == reflect.String:
		wrong = from.Kind() != reflect.String
	case to.Kind() == reflect.Bool:
		wrong = from.Kind() != reflect.Bool && from.Kind() != reflect.String
	case to.Kind() == reflect.Int || to.Kind() == reflect.Uint32:
		wrong = from.Kind() != reflect.Int && from.Kind() != reflect.String
	case to.Kind() == reflect.Struct && from.Kind() != reflect.Map && from.Kind() != reflect.String:
		wrong = true
	}
	if wrong {
		return nil, fmt.Errorf("%v is not %s", value, described(to))
	}
	return value, nil
}

func described(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[ByteSize]():
		return "a size such as 16MiB"
	case t == reflect.TypeFor[Days]():
		return daysAccepted
	case t == reflect.TypeFor[time.Duration]():
		return `a duration with a unit, such as "1s"`
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Uint32:
		return "a whole number"
	case t.Kind() == reflect.String:
		return "a text"
	}
	return "a " + t.String()
}

// textToDuration names the value that is wrong, which mapstructure's hook does not.
func textToDuration(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from.Kind() != reflect.String {
		return value, nil
	}
	d, err := time.ParseDuration(value.(string))
	if err != nil {
		return nil, fmt.Errorf("%q is not %s", value, described(to))
	}
	return d, nil
}

// textToPlain names the value that is no number or switch in words of the file,
// not in those of Go's parser.
func textToPlain(from, to reflect.Type, value any) (any, error) {
	if from.Kind() != reflect.String {
		return value, nil
	}
	var err error
	switch {
	case to == reflect.TypeFor[ByteSize](), to == reflect.TypeFor[Days]():
		return value, nil
	case to.Kind() == reflect.Bool:
		_, err = strconv.ParseBool(value.(string))
	case to.Kind() == reflect.Int:
		_, err = strconv.ParseInt(value.(string), 0, strconv.IntSize)
	case to.Kind() == reflect.Uint32:
		_, err = strconv.ParseUint(value.(string), 0, 32)
	}
	if err != nil {
		return nil, fmt.Errorf("%q is not %s", value, described(to))
	}
	return value, nil
}

// numberToText lets a plain number of bytes or days reach UnmarshalText.
func numberToText(from, to reflect.Type, value any) (any, error) {
	if (to == reflect.TypeFor[ByteSize]() || to == reflect.TypeFor[Days]()) && from.Kind() == reflect.Int {
		return fmt.Sprint(value), nil
	}
	return value, nil
}

// commaList splits a variable's text into the items of a list. Text in brackets
// is a list as YAML writes it, for items that are more than words.
func commaList(from, to reflect.Type, value any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return value, nil
	}
	items := []any{}
	if strings.HasPrefix(strings.TrimSpace(value.(string)), "[") {
		if err := yaml.Unmarshal([]byte(value.(string)), &items); err != nil {
			return nil, fmt.Errorf("%q is not a list: %w", value, err)
		}
		return items, nil
	}
	for item := range strings.SplitSeq(value.(string), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, nil
}
