package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// languageServer is yaml-language-server, as an editor talks to it: the Language Server Protocol over its streams.
type languageServer struct {
	t     *testing.T
	in    io.Writer
	out   *bufio.Reader
	last  int
	yaml  map[string]any             // the settings
	asked bool                       // for the settings
	told  map[string][]lspDiagnostic // by file, the latest
}

type lspDiagnostic struct {
	Message string
	Range   struct{ Start struct{ Line, Character int } }
}

type lspMessage struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  json.RawMessage
}

func startLanguageServer(t *testing.T, schema string) *languageServer {
	t.Helper()
	server := "../../.bin/editor/node_modules/.bin/yaml-language-server"
	if _, err := os.Stat(server); err != nil {
		need.Missing(t, "editor", "needs a YAML language server: .ci/need editor fetches it")
	}
	c := exec.Command(server, "--stdio")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	s := &languageServer{t: t, in: in, out: bufio.NewReader(out), told: map[string][]lspDiagnostic{},
		yaml: map[string]any{"validate": true, "completion": true, "hover": true, "schemaStore": map[string]any{"enable": false},
			"schemas": map[string]any{"file://" + schema: "*.yaml"}}}
	s.request("initialize", map[string]any{"processId": os.Getpid(), "rootUri": nil, "capabilities": map[string]any{
		"textDocument": map[string]any{"completion": map[string]any{"completionItem": map[string]any{"documentationFormat": []string{"markdown"}}}},
	}})
	s.notify("initialized", map[string]any{})
	s.notify("workspace/didChangeConfiguration", map[string]any{"settings": map[string]any{"yaml": s.yaml}})
	for !s.asked {
		s.read()
	}
	return s
}

func (s *languageServer) send(message map[string]any) {
	s.t.Helper()
	message["jsonrpc"] = "2.0"
	data, err := json.Marshal(message)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(data), data); err != nil {
		s.t.Fatal(err)
	}
}

func (s *languageServer) notify(method string, params any) {
	s.send(map[string]any{"method": method, "params": params})
}

// request waits for the answer. What the server asks meanwhile is answered.
func (s *languageServer) request(method string, params any) json.RawMessage {
	s.t.Helper()
	s.last++
	s.send(map[string]any{"id": s.last, "method": method, "params": params})
	for {
		m := s.read()
		if m.Method == "" && string(m.ID) == strconv.Itoa(s.last) {
			if m.Error != nil {
				s.t.Fatalf("%s: %s", method, m.Error)
			}
			return m.Result
		}
	}
}

func (s *languageServer) read() lspMessage {
	s.t.Helper()
	header, err := textproto.NewReader(s.out).ReadMIMEHeader()
	if err != nil {
		s.t.Fatal(err)
	}
	n, _ := strconv.Atoi(header.Get("Content-Length"))
	body := make([]byte, n)
	if _, err := io.ReadFull(s.out, body); err != nil {
		s.t.Fatal(err)
	}
	var m lspMessage
	if err := json.Unmarshal(body, &m); err != nil {
		s.t.Fatal(err)
	}
	switch {
	case m.Method == "textDocument/publishDiagnostics":
		var p struct {
			URI         string
			Diagnostics []lspDiagnostic
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			s.t.Fatal(err)
		}
		s.told[p.URI] = p.Diagnostics
	case m.Method == "workspace/configuration":
		var p struct{ Items []struct{ Section string } }
		if err := json.Unmarshal(m.Params, &p); err != nil {
			s.t.Fatal(err)
		}
		answer := make([]any, len(p.Items))
		for i, item := range p.Items {
			if item.Section == "yaml" {
				answer[i], s.asked = s.yaml, true
			}
		}
		s.send(map[string]any{"id": m.ID, "result": answer})
	case m.Method != "" && m.ID != nil:
		s.send(map[string]any{"id": m.ID, "result": nil})
	}
	return m
}

// open shows a file to the server, and waits for what it says of it.
func (s *languageServer) open(uri, text string) []lspDiagnostic {
	s.t.Helper()
	delete(s.told, uri)
	s.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{
		"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
	for {
		if found, ok := s.told[uri]; ok {
			return found
		}
		s.read()
	}
}

// TestEditor: what an author sees in an editor with our schema.
func TestEditor(t *testing.T) {
	var schema strings.Builder
	a := &app{out: &schema, err: io.Discard, configs: t.TempDir()}
	if code := a.main([]string{"coppice", "schema"}); code != exitOK {
		t.Fatalf("coppice schema: %d", code)
	}
	file := filepath.Join(t.TempDir(), "coppice.schema.json")
	if err := os.WriteFile(file, []byte(schema.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startLanguageServer(t, file)

	const head = "version: 1\nname: mine\nsteps:\n  - id: take\n"
	at := func(text string) map[string]any { // the end of the text
		lines := strings.Split(text, "\n")
		return map[string]any{"line": len(lines) - 1, "character": len(lines[len(lines)-1])}
	}
	complete := func(uri, text string) []string {
		t.Helper()
		s.open(uri, text)
		var answer struct{ Items []struct{ Label string } }
		if err := json.Unmarshal(s.request("textDocument/completion", map[string]any{
			"textDocument": map[string]any{"uri": uri}, "position": at(text)}), &answer); err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, i := range answer.Items {
			labels = append(labels, i.Label)
		}
		return labels
	}

	t.Run("shipped playbooks", func(t *testing.T) {
		files, _ := filepath.Glob("../../playbooks/*.yaml")
		if len(files) < 3 {
			t.Fatal("no playbooks")
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if found := s.open("file:///"+filepath.Base(name), string(text)); len(found) > 0 {
				t.Errorf("%s: %+v", name, found)
			}
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		text := head + "    uses: btrfs.snapshot\n    with:\n      filesystem: /\n      source: [persist]\n"
		found := s.open("file:///mistake.yaml", text)
		if !slices.ContainsFunc(found, func(d lspDiagnostic) bool {
			return strings.Contains(d.Message, "source") && d.Range.Start.Line == 7 && d.Range.Start.Character == 6
		}) {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("completion", func(t *testing.T) {
		if labels := complete("file:///uses.yaml", head+"    uses: btrfs.s"); !slices.Contains(labels, "btrfs.snapshot") || !slices.Contains(labels, "btrfs.scrub") {
			t.Errorf("uses: %q", labels)
		}
		if labels := complete("file:///with.yaml", head+"    uses: btrfs.snapshot\n    with:\n      "); !slices.Contains(labels, "sources") ||
			!slices.Contains(labels, "require_atomic") || slices.Contains(labels, "within") {
			t.Errorf("with: %q", labels)
		}
		if labels := complete("file:///keys.yaml", head+"    uses: btrfs.list\n    "); !slices.Contains(labels, "continue_on_error") {
			t.Errorf("keys of a step: %q", labels)
		}
	})
	t.Run("hover", func(t *testing.T) {
		text := head + "    uses: btrfs.snapshot\n    with:\n      filesystem: /\n      sources: [persist]\n"
		s.open("file:///hover.yaml", text)
		for _, c := range []struct {
			line, character int
			want            string
		}{{4, 14, "napshot"}, {7, 8, "ubvolume"}} {
			answer := s.request("textDocument/hover", map[string]any{"textDocument": map[string]any{"uri": "file:///hover.yaml"},
				"position": map[string]any{"line": c.line, "character": c.character}})
			if !strings.Contains(string(answer), c.want) {
				t.Errorf("line %d: %s", c.line+1, answer)
			}
		}
	})
}
