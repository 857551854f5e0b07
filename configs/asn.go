package configs

import (
	"errors"
	"fmt"
)

// ASN configures where AS numbers and the names of ASes come from.
type ASN struct {
	Source   string `mapstructure:"source"`   // exporter, database or prefer-exporter
	Database string `mapstructure:"database"` // path, "" for none
	Names    string `mapstructure:"names"`    // path, "" for those that ship with nfstats
}

func (a *ASN) validate(check func(key string, err error)) {
	switch a.Source {
	case "exporter", "prefer-exporter":
	case "database":
		if a.Database == "" {
			check("asn.database", errors.New("is empty, though asn.source is database"))
		}
	default:
		check("asn.source", fmt.Errorf("%q is not exporter, database or prefer-exporter", a.Source))
	}
}
