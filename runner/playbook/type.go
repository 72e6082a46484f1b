package playbook

// Type is a type that an input can be declared with.
type Type string

// The types.
const (
	StringType     Type = "string"
	IntType        Type = "int"
	NumberType     Type = "number"
	BoolType       Type = "bool"
	DurationType   Type = "duration"
	SizeType       Type = "size"
	TimestampType  Type = "timestamp"
	PathType       Type = "path"
	FilesystemType Type = "filesystem" // UUID=…, LABEL=…, a device or a mount point
	SubvolumeType  Type = "subvolume"
	ListType       Type = "list"
	MapType        Type = "map"
)

// Types lists every type. The caller owns the slice.
func Types() []Type {
	return append(scalarTypes(), ListType, MapType)
}

// scalarTypes lists the types that a single text can have: what a list or map can hold.
func scalarTypes() []Type {
	return []Type{
		StringType, IntType, NumberType, BoolType, DurationType, SizeType, TimestampType, PathType, FilesystemType,
		SubvolumeType,
	}
}

// ItemTypes lists the types of what a list or map can hold. The caller owns the slice.
func ItemTypes() []Type { return scalarTypes() }

func typeNames(types []Type) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return names
}

// article puts "a" or "an" before a type for a message: "an int", "a duration".
func (t Type) article() string {
	if t == IntType {
		return "an " + string(t)
	}
	return "a " + string(t)
}
