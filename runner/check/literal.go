package check

import (
	"time"

	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/schema"
)

// scalarType is the playbook type whose texts fit the schema.
func scalarType(s *schema.Schema) (playbook.Type, bool) {
	switch s.Kind {
	case schema.Duration:
		return playbook.DurationType, true
	case schema.Size:
		return playbook.SizeType, true
	case schema.Timestamp:
		return playbook.TimestampType, true
	case schema.Path:
		return playbook.PathType, true
	case schema.Filesystem:
		return playbook.FilesystemType, true
	case schema.Subvolume:
		return playbook.SubvolumeType, true
	}
	switch s.Type {
	case schema.String:
		return playbook.StringType, true
	case schema.Integer:
		return playbook.IntType, true
	case schema.Number:
		return playbook.NumberType, true
	case schema.Boolean:
		return playbook.BoolType, true
	}
	return "", false
}

// InputSchema is the schema of a declared input.
func InputSchema(in playbook.Input) *schema.Schema {
	s := typeSchema(in.Type)
	one := s // what enum and pattern are about
	switch in.Type {
	case playbook.ListType:
		one = typeSchema(in.Items)
		s.Items = one
	case playbook.MapType:
		one = typeSchema(in.Items)
		s.Values = one
	}
	s.Description = in.Description
	s.Secret = in.Secret
	if one.Type == schema.String && one.Kind == "" {
		for _, e := range in.Enum {
			one.Enum = append(one.Enum, e.Text)
		}
	}
	return s
}

func typeSchema(t playbook.Type) *schema.Schema {
	switch t {
	case "": // a type that does not exist, and was reported
		return &schema.Schema{}
	case playbook.IntType:
		return &schema.Schema{Type: schema.Integer}
	case playbook.NumberType:
		return &schema.Schema{Type: schema.Number}
	case playbook.BoolType:
		return &schema.Schema{Type: schema.Boolean}
	case playbook.DurationType:
		return &schema.Schema{Type: schema.String, Kind: schema.Duration}
	case playbook.SizeType:
		return &schema.Schema{Type: schema.Integer, Kind: schema.Size}
	case playbook.TimestampType:
		return &schema.Schema{Type: schema.String, Kind: schema.Timestamp}
	case playbook.PathType:
		return &schema.Schema{Type: schema.String, Kind: schema.Path}
	case playbook.FilesystemType:
		return &schema.Schema{Type: schema.String, Kind: schema.Filesystem}
	case playbook.SubvolumeType:
		return &schema.Schema{Type: schema.String, Kind: schema.Subvolume}
	case playbook.ListType:
		return &schema.Schema{Type: schema.Array}
	case playbook.MapType:
		return &schema.Schema{Type: schema.Object}
	}
	return &schema.Schema{Type: schema.String}
}

// fromLiteral brings a value into the domain of expressions, where whole
// numbers are int (64 bits on every platform that this runs on).
func fromLiteral(v any) any {
	if n, ok := v.(int64); ok {
		return int(n)
	}
	return v
}

// typeOf is the type of a constant.
func typeOf(v any) expression.Type {
	switch v.(type) {
	case nil:
		return expression.Nil
	case bool:
		return expression.Bool
	case int:
		return expression.Int
	case float64:
		return expression.Number
	case string:
		return expression.String
	case time.Duration:
		return expression.Duration
	case time.Time:
		return expression.Timestamp
	}
	return expression.Any
}

// checkValue says what is wrong with a value that has the schema's type; "" is
// nothing.
func checkValue(s *schema.Schema, v any) string {
	switch v := v.(type) {
	case int:
		return s.CheckInt(int64(v))
	case string:
		if s.Kind == schema.Filesystem || s.Kind == schema.Subvolume || s.Kind == schema.Path {
			// The form was judged by playbook.Convert.
			s = &schema.Schema{Type: schema.String, Enum: s.Enum, Pattern: s.Pattern, MinLength: s.MinLength}
		}
		return s.CheckText(v)
	}
	return ""
}
