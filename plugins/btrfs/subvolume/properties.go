package subvolume

import (
	"encoding/json"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/unit"
)

// Properties are what the Before and After of an update of a subvolume say. What is left out is not meant.
type Properties struct {
	Path     *string `json:"path,omitempty"` // from the top level
	ReadOnly *bool   `json:"read_only,omitempty"`
	Shape
}

// Shape are the properties that a subvolume can be made with. Those of a file or directory are of the same kind, without
// limits.
type Shape struct {
	Compression   string `json:"compression,omitempty"` // as kernel.Node has it
	NoCow         *bool  `json:"no_cow,omitempty"`
	MaxReferenced Limit  `json:"max_referenced,omitempty"`
	MaxExclusive  Limit  `json:"max_exclusive,omitempty"`
}

// FilesystemProperties are what the Before and After of an update of the filesystem itself say.
type FilesystemProperties struct {
	Quotas      string  `json:"quotas,omitempty"`  // a kernel.QuotaMode
	Default     *string `json:"default,omitempty"` // path of the default subvolume, "/" for the top level
	DefaultUUID string  `json:"default_uuid,omitempty"`
}

// FileType is the type of resource of a file or directory whose properties an action changes.
const FileType = "btrfs.file"

// Limit is a limit of a quota group as text: a size, or NoLimit; "": not meant.
type Limit string

// NoLimit is no limit.
const NoLimit Limit = "none"

// LimitOf is the text of a limit in bytes; nil: none.
func LimitOf(bytes *uint64) Limit {
	if bytes == nil {
		return NoLimit
	}
	return Limit(unit.ExactSize(int64(min(*bytes, 1<<63-1))))
}

// Bytes is the limit; nil: none.
func (l Limit) Bytes() *uint64 {
	n, err := unit.ParseSize(string(l))
	if l == NoLimit || err != nil {
		return nil
	}
	bytes := uint64(n)
	return &bytes
}

// with lays one over another.
func (s Shape) with(over Shape) Shape {
	if over.Compression != "" {
		s.Compression = over.Compression
	}
	if over.NoCow != nil {
		s.NoCow = over.NoCow
	}
	if over.MaxReferenced != "" {
		s.MaxReferenced = over.MaxReferenced
	}
	if over.MaxExclusive != "" {
		s.MaxExclusive = over.MaxExclusive
	}
	return s
}

// Encode is for Before and After of a change.
func Encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts, booleans and times of this millennium
	}
	return data
}

// UpdateOf is a change of a subvolume from one state to another.
func UpdateOf(r sdk.Resource, summary string, before, after Properties) sdk.Change {
	return sdk.Change{Kind: sdk.Update, Resource: r, Summary: summary, Before: Encode(before), After: Encode(after)}
}

// Moved is the Before or After of a change that moves a subvolume.
func Moved(path string) json.RawMessage { return Encode(Properties{Path: &path}) }
