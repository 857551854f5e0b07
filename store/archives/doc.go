// Package archives imports files of flow-tools and nfdump into the tables of live
// flows, for the command line and for the settings of the web UI.
//
// A file is known by the digest of its content, which is the ID of its import and
// stands in column source of its rows. Importing it again adds nothing, and an
// import that was interrupted is taken up where it was: its blocks have tokens
// that ClickHouse knows.
//
// An Importer reads several files at once and holds one block of each, of
// blockRows rows, whatever the size of the files. Jobs run Importers inside the
// daemon, one at a time, over files below one folder.
package archives
