package host

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Limits of what a plugin may write; what is over them is dropped and counted.
const (
	maxLine      = 16 << 10 // bytes of a line
	linesASecond = 500
	tailLines    = 12
)

// output takes a plugin's streams apart into log lines. Plugins write zerolog's
// or hclog's JSON, or plain text, or junk.
type output struct {
	log func(level, message string)

	mu      sync.Mutex
	pending []byte
	last    []string
	panic   string    // the line that says why a Go program died; the traces behind it push it out of last
	window  time.Time // start of the second that is counted
	count   int
	dropped int
}

func newOutput(log func(level, message string)) *output { return &output{log: log} }

// Write takes bytes of the plugin's stderr.
func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pending = o.take(append(o.pending, data...))
	return len(data), nil
}

// take logs the complete lines and returns the rest.
func (o *output) take(data []byte) []byte {
	for {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		if !found {
			if len(data) > maxLine {
				o.line(data[:maxLine])
				return nil
			}
			return bytes.Clone(data)
		}
		o.line(line)
		data = rest
	}
}

// stream is a further writer with lines of its own.
func (o *output) stream() io.Writer { return &stream{to: o} }

type stream struct {
	to      *output
	pending []byte
}

func (s *stream) Write(data []byte) (int, error) {
	s.to.mu.Lock()
	defer s.to.mu.Unlock()
	s.pending = s.to.take(append(s.pending, data...))
	return len(data), nil
}

func (o *output) line(raw []byte) {
	if len(raw) > maxLine {
		raw = raw[:maxLine]
	}
	level, message := parseLine(raw)
	if message == "" {
		return
	}
	if strings.HasPrefix(message, "panic: ") || strings.HasPrefix(message, "fatal error: ") {
		o.panic = message
	}
	o.last = append(o.last, message)
	if len(o.last) > tailLines {
		o.last = o.last[len(o.last)-tailLines:]
	}
	now := time.Now()
	if now.Sub(o.window) >= time.Second {
		if o.dropped > 0 {
			o.log("warn", plural(o.dropped, "line")+" dropped: the plugin writes too much")
		}
		o.window, o.count, o.dropped = now, 0, 0
	}
	if o.count++; o.count > linesASecond {
		o.dropped++
		return
	}
	o.log(level, message)
}

// tail is the last lines, the unfinished one included, or why it panicked.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.panic != "" {
		return o.panic
	}
	lines := o.last
	if _, m := parseLine(o.pending); m != "" {
		lines = append(lines[:len(lines):len(lines)], m)
	}
	return strings.Join(lines, "\n")
}

// parseLine finds level and message in a line of zerolog or hclog JSON; any
// other line is an info message as it stands. It believes nothing about types.
func parseLine(raw []byte) (level, message string) {
	raw = bytes.TrimRight(raw, "\r\n")
	if len(raw) == 0 {
		return "", ""
	}
	if raw[0] != '{' {
		return "info", strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return "info", strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	text := func(keys ...string) string {
		for _, k := range keys {
			if s, ok := fields[k].(string); ok {
				return s
			}
		}
		return ""
	}
	message = text("message", "@message", "msg")
	if message == "" {
		message = strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	if cause := text("error"); cause != "" {
		message += ": " + cause
	}
	switch l := text("level", "@level"); l {
	case "debug", "info", "warn", "error":
		level = l
	case "trace":
		level = "debug"
	case "warning":
		level = "warn"
	case "fatal", "panic":
		level = "error"
	default:
		level = "info"
	}
	return level, message
}

// silent is a logger that go-plugin takes for switched off, so that it never
// parses a line itself (a line like {"@message": 1} would panic the host).
func silent() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard})
}
