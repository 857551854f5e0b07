package httpui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static
var embedded embed.FS

// An asset is one embedded file, ready to be written to a client.
type asset struct {
	contentType string
	etag        string // strong, quoted
	plain       []byte
	compressed  []byte // nil where gzip saves less than a tenth
}

// assets serves the embedded files below a path that holds a digest of the whole
// tree. Relative imports between modules work unchanged, and every answer may be
// cached for ever: a changed byte anywhere changes the path.
type assets struct {
	prefix string
	files  map[string]asset
}

// newAssets reads, digests and compresses every file once.
func newAssets(files fs.FS) (*assets, error) {
	a := &assets{files: map[string]asset{}}
	tree := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(plain)
		fmt.Fprintf(tree, "%s\x00%x\n", name, sum) // WalkDir goes in lexical order
		a.files[name] = asset{contentType: contentTypeOf(name), etag: `"` + hex.EncodeToString(sum[:12]) + `"`,
			plain: plain, compressed: compress(plain)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded pages: %w", err)
	}
	a.prefix = "/assets/" + hex.EncodeToString(tree.Sum(nil)[:8]) + "/"
	return a, nil
}

func contentTypeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func compress(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	w.Write(plain)
	w.Close()
	if out.Len() >= len(plain)*9/10 {
		return nil
	}
	return out.Bytes()
}

// ServeHTTP answers requests below the prefix.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, below := strings.CutPrefix(r.URL.Path, a.prefix)
	file, found := a.files[name]
	if !below || !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", file.etag)
	h.Add("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == file.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := file.plain
	if file.compressed != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = file.compressed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
