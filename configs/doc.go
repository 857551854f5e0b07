// Package configs holds what an operator configures: the annotated defaults
// (nfstats.yaml, embedded), the Go types that they decode into, Load and
// Validate.
//
// Load reads the defaults, then a file, then the environment; later ones win.
// Nothing else in the program reads files or variables for its settings, and
// nothing outside this package sees viper.
package configs
