package report

import (
	"io"
	"reflect"
)

// sink remembers the first error of a writer and writes nothing after it: a closed pipe must not stop a run.
type sink struct {
	w   io.Writer
	err error
}

func newSink(w io.Writer) *sink {
	if w == nil {
		w = io.Discard
	}
	return &sink{w: w}
}

func (s *sink) write(text string) {
	if s.err != nil || text == "" {
		return
	}
	n, err := io.WriteString(s.w, text)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	s.err = err
}

// flush writes out what the writer holds back, if it is of that kind (see Mask).
func (s *sink) flush() error {
	if f, ok := s.w.(interface{ Flush() error }); ok && s.err == nil {
		s.err = f.Flush()
	}
	return s.err
}

// sameWriter reports whether both are one writer; values that can't be compared are not.
func sameWriter(a, b io.Writer) bool {
	if a == nil || b == nil || !reflect.TypeOf(a).Comparable() || !reflect.TypeOf(b).Comparable() {
		return false
	}
	return a == b
}
