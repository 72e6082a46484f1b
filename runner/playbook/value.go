package playbook

import "github.com/hbohlen/coppice/runner/diagnostic"

// Value is a Scalar, a List or a Map, as values, never as pointers.
type Value interface {
	// Position is the place of the value's first character (the opening quote of a quoted scalar, the | of a block).
	Position() diagnostic.Position
	isValue()
}

// Style is how a scalar is written in the file.
type Style int

// The styles. The zero value is plain: without quotes.
const (
	PlainStyle Style = iota
	SingleQuotedStyle
	DoubleQuotedStyle
	LiteralStyle // block after |
	FoldedStyle  // block after >
)

// Scalar is a text with its place. What the text means depends on the schema: see Convert and Literal.
type Scalar struct {
	Text  string // without quotes, escapes resolved, lines folded: what YAML says the string is
	Style Style
	Plain bool // Style == PlainStyle
	Pos   diagnostic.Position

	source *Source // to find places inside the text; nil for a scalar that is not from a file
	broken bool    // stands for something that was already reported
}

// List is a sequence.
type List struct {
	Items []Value
	Pos   diagnostic.Position
}

// Map is a mapping. Keys are unique; entries are in the order of the file. The zero value is an empty map.
type Map struct {
	Entries []Entry
	Pos     diagnostic.Position
}

// Entry is one key of a Map.
type Entry struct {
	Key    string
	KeyPos diagnostic.Position
	Value  Value
}

// Get returns the entry of a key.
func (m Map) Get(key string) (Entry, bool) {
	for _, e := range m.Entries {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}

// Position implements Value.
func (s Scalar) Position() diagnostic.Position { return s.Pos }

// Position implements Value.
func (l List) Position() diagnostic.Position { return l.Pos }

// Position implements Value.
func (m Map) Position() diagnostic.Position { return m.Pos }

func (Scalar) isValue() {}
func (List) isValue()   {}
func (Map) isValue()    {}

// Text returns a plain scalar that stands in no file, such as the V of `-i k=V`.
func Text(text string) Scalar { return Scalar{Text: text, Plain: true} }
