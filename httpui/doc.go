// Package httpui is the web server: the embedded pages, the JSON API under
// /api/v1/, health and metrics.
//
// The pages are plain files in static/, embedded as they are; nothing builds
// them. They get all data from the API, so whatever a page shows can be fetched
// with curl.
package httpui
