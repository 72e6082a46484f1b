package plugintest

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// maxKept is how many bytes of a stream are kept at most; the rest is only counted.
const maxKept = 4 << 20

// recorder remembers what a plugin's processes write to their streams.
type recorder struct {
	mu    sync.Mutex
	out   []byte // standard output without the handshake
	err   []byte
	lines int // of standard error, all of them
}

type stream func(data []byte)

func (s stream) Write(data []byte) (int, error) { s(data); return len(data), nil }

// stdout takes what comes over go-plugin's own channel: a plugin in Go has its os.Stdout moved there.
func (r *recorder) stdout() io.Writer {
	return stream(func(data []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.out = keep(r.out, data)
	})
}

// rawStdout takes the standard output of one process, whose first line is the handshake.
func (r *recorder) rawStdout() io.Writer {
	greeted := false
	return stream(func(data []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !greeted {
			_, rest, found := bytes.Cut(data, []byte("\n"))
			greeted, data = found, rest
		}
		r.out = keep(r.out, data)
	})
}

func (r *recorder) stderr() io.Writer {
	return stream(func(data []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines += bytes.Count(data, []byte("\n"))
		r.err = keep(r.err, data)
	})
}

func keep(kept, data []byte) []byte {
	return append(kept, data[:min(len(data), max(0, maxKept-len(kept)))]...)
}

// said is what was written so far.
func (r *recorder) said() (out, err string, lines int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.out), string(r.err), r.lines
}

// lastWords is the end of standard error, as the end of a message; "" when there is none.
func (r *recorder) lastWords() string {
	_, text, _ := r.said()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines { // the traces behind it push it out
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			lines = lines[i : i+1]
			break
		}
	}
	if text = strings.Join(lines[max(0, len(lines)-5):], "\n  "); text == "" {
		return ""
	}
	return "\nit last wrote:\n  " + shorten(text, 2000)
}

func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
