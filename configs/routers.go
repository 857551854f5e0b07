package configs

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed routers/*.txt
var routerFiles embed.FS

// A Router is how one vendor's routers are told to export flows, and to answer
// SNMP.
type Router struct {
	ID   string // name of the file in configs/routers, without .txt
	Name string
	Text string // lines to paste; has {address}, {port} and {rate}
}

// Routers returns what configs/routers holds, by name. The first line of a file is
// its name, after "# ".
func Routers() ([]Router, error) {
	entries, err := routerFiles.ReadDir("routers")
	if err != nil {
		return nil, fmt.Errorf("read the router configurations: %w", err)
	}
	var all []Router
	for _, e := range entries {
		text, err := routerFiles.ReadFile(path.Join("routers", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the router configurations: %w", err)
		}
		title, lines, _ := strings.Cut(string(text), "\n")
		all = append(all, Router{ID: strings.TrimSuffix(e.Name(), ".txt"), Name: strings.TrimPrefix(title, "# "), Text: lines})
	}
	return all, nil
}
