package sdk

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/sdk/schema"
	"github.com/hbohlen/coppice/sdk/unit"
)

// Duration is a length of time as playbooks write it: 90s, 6h, 30d.
type Duration time.Duration

// JSONSchema implements schema.Described.
func (Duration) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.String, Kind: schema.Duration}
}

// MarshalJSON writes the canonical text, "1h30m".
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(unit.FormatDuration(time.Duration(d)))
}

// UnmarshalJSON reads what a playbook may write.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a duration is written as text, like \"6h\": %w", err)
	}
	parsed, err := unit.ParseDuration(text)
	if err != nil {
		return err
	}
	*d = Duration(parsed)
	return nil
}

func (d Duration) String() string { return unit.FormatDuration(time.Duration(d)) }

// Size is a number of bytes.
type Size int64

// JSONSchema implements schema.Described.
func (Size) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.Integer, Kind: schema.Size}
}

func (s Size) String() string { return unit.FormatSize(int64(s)) }

// Path is an absolute path of the live system.
type Path string

// JSONSchema implements schema.Described.
func (Path) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.String, Kind: schema.Path}
}

// Filesystem names one: UUID=…, LABEL=…, a device or any path on it.
type Filesystem string

// JSONSchema implements schema.Described.
func (Filesystem) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.String, Kind: schema.Filesystem}
}

// Subvolume names a btrfs subvolume: its path from the filesystem's top level,
// or an absolute path of the live system.
type Subvolume string

// JSONSchema implements schema.Described.
func (Subvolume) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.String, Kind: schema.Subvolume}
}

// UUID identifies what a name can't.
type UUID string

// JSONSchema implements schema.Described.
func (UUID) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.String, Kind: schema.UUID}
}
