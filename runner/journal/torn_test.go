package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// written is the text of a record.
func written(t testing.TB, run string, events []engine.Event) []byte {
	dir := t.TempDir()
	w := Open(Options{Dirs: []string{dir}, Now: clock()})
	for _, e := range events {
		w.Emit(e)
	}
	w.Close()
	data, err := os.ReadFile(file(dir, run))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// put makes a record's file of this text.
func put(t testing.TB, dir, run string, text []byte) {
	if err := os.MkdirAll(filepath.Join(dir, "runs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file(dir, run), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTornAnywhere cuts a record at every byte of its first and of its last line, and at every fourth of the others; it
// also lets zeros follow: what filesystems show of blocks that were never written.
func TestTornAnywhere(t *testing.T) {
	whole := written(t, "r1", scenario("r1"))
	first, last := bytes.IndexByte(whole, '\n'), bytes.LastIndexByte(whole[:len(whole)-1], '\n')
	dir := t.TempDir()
	for n := range len(whole) {
		byFile := n <= first+1 || n >= last || n%37 == 0
		if !byFile && n%4 > 0 {
			continue
		}
		for _, zeros := range []int{0, 300} {
			if zeros > 0 && !byFile {
				continue
			}
			text := append(whole[:n:n], make([]byte, zeros)...)
			var b builder
			if err := b.build(bytes.NewReader(text)); err != nil {
				t.Fatal(err)
			}
			r := &b.record
			if byFile {
				put(t, dir, "r1", text)
				r = read(t, dir, "r1")
				list, err := List([]string{dir})
				if err != nil || len(list.Runs) != 1 || len(list.Ignored) > 0 {
					t.Fatalf("cut at %d: %+v, %v", n, list, err)
				}
				if r.Status != Interrupted || list.Runs[0].Status != Interrupted || r.Run != "r1" {
					t.Fatalf("cut at %d, %d zeros: %s, listed %s", n, zeros, r.Status, list.Runs[0].Status)
				}
			}
			if len(r.Problems) > 0 || r.Finished != nil {
				t.Fatalf("cut at %d, %d zeros: problems %q", n, zeros, r.Problems)
			}
			lines := bytes.Count(whole[:n], []byte("\n"))
			if done := len(well(r)); (done >= 1) != (lines >= 4) || (done == 2) != (lines >= 10) {
				t.Fatalf("cut at %d behind %d lines: %d finished", n, lines, done)
			}
		}
	}
}

// TestDamagedAnywhere changes every third byte: a record never tells something else than it was told.
func TestDamagedAnywhere(t *testing.T) {
	whole := written(t, "r1", scenario("r1"))
	for n := 0; n < len(whole); n += 3 {
		bad := bytes.Clone(whole)
		bad[n] ^= 0x01
		var b builder
		if err := b.build(bytes.NewReader(bad)); err != nil {
			t.Fatal(err)
		}
		r := &b.record
		// In the last line, or in the line break before it, it looks as if the end were torn.
		if start := bytes.LastIndexByte(whole[:len(whole)-1], '\n'); n >= start && len(r.Problems) == 0 && r.Finished == nil {
			continue
		}
		if b.later > 0 { // the version: left alone
			continue
		}
		if len(r.Problems) == 0 || r.Finished == nil || r.Status != engine.Succeeded {
			t.Fatalf("byte %d: %s, problems %q", n, r.Status, r.Problems)
		}
		for _, s := range r.Steps {
			if s.Result != nil && s.Result.Status != engine.OK && s.Result.Status != engine.Changed && s.Result.Status != engine.Unreached {
				t.Fatalf("byte %d: %+v", n, s.Result)
			}
		}
	}
}

func TestTornInTheMiddle(t *testing.T) {
	lines := bytes.SplitAfter(written(t, "r1", scenario("r1")), []byte("\n"))
	dir := t.TempDir()
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	rest := func(from int) []byte { return bytes.Join(lines[from:], nil) }
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"a line torn":       {join(lines[0], lines[1], lines[2], lines[3][:20], []byte("\n"), rest(4)), "line 4 is damaged or missing"},
		"glued to the next": {join(lines[0], lines[1], lines[2], lines[3][:20], rest(4)), "lines 4 to 5 are damaged or missing"},
		"lines gone":        {join(lines[0], lines[1], rest(5)), "lines 3 to 5 are damaged or missing"},
		"something between": {join(lines[0], lines[1], []byte("hello\n"), rest(2)), "there is something that is no line before line 3"},
		"a line twice":      {join(lines[0], lines[1], lines[1], rest(2)), "line 3 is a second line 2"},
		"no header":         {rest(1), "line 1 is damaged or missing"},
		"a long line":       {join(lines[0], bytes.Repeat([]byte("x"), maxLine+70_000), []byte("\n"), rest(1)), "there is something that is no line before line 2"},
		"behind the end":    {join(rest(0), []byte("hello")), "there is something behind its end"},
	} {
		put(t, dir, "r1", c.text)
		r := read(t, dir, "r1")
		if len(r.Problems) == 0 || r.Problems[0] != c.want {
			t.Errorf("%s: %q", name, r.Problems)
		}
		if r.Status != engine.Succeeded || r.Playbook != "snapshot-rotation" {
			t.Errorf("%s: %s %s", name, r.Playbook, r.Status)
		}
	}
}

func TestLaterVersion(t *testing.T) {
	dir := t.TempDir()
	text := []byte(`{"format":"coppice.run","version":2,"run":"r1","whatever":true,"sum":"?"}` + "\n" + `next` + "\n")
	put(t, dir, "r1", text)
	r := read(t, dir, "r1")
	if r.Status != Unknown || r.Run != "r1" || len(r.Steps) > 0 || r.Ended() {
		t.Errorf("%+v", r)
	}
	list, _ := List([]string{dir})
	if len(list.Runs) != 1 || list.Runs[0].Status != Unknown || !strings.Contains(list.Runs[0].Reason, "left alone") {
		t.Errorf("%+v", list)
	}
	if gone, err := Prune([]string{dir}, 0, 0, time.Now().Add(1e6*time.Hour)); len(gone) > 0 || err != nil {
		t.Errorf("pruned %q, %v", gone, err)
	}
	var out strings.Builder
	if err := Copy(&out, file(dir, "r1")); err != nil || out.String() != string(text) {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestJunkInTheFolder(t *testing.T) {
	dir := t.TempDir()
	w, _ := record(t, Options{Dirs: []string{dir}}, scenario("r1")...)
	w.Close()
	runs := filepath.Join(dir, "runs")
	outside := filepath.Join(t.TempDir(), "r9.jsonl")
	text, _ := os.ReadFile(file(dir, "r1"))
	for _, err := range []error{
		os.WriteFile(filepath.Join(runs, "notes.txt"), []byte("hello"), 0o600),
		os.WriteFile(filepath.Join(runs, "a\x1b[31m.jsonl"), text, 0o600),
		os.WriteFile(filepath.Join(runs, "junk.jsonl"), []byte("hello\n"), 0o600),
		os.WriteFile(filepath.Join(runs, "json.jsonl"), []byte(`{"format":"other","version":9}`+"\n"), 0o600),
		os.WriteFile(filepath.Join(runs, "copy.jsonl"), text, 0o600),
		os.WriteFile(outside, text, 0o600),
		os.Symlink(outside, filepath.Join(runs, "r9.jsonl")),
		os.Mkdir(filepath.Join(runs, "folder.jsonl"), 0o700),
		mkfifo(filepath.Join(runs, "pipe.jsonl")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := List([]string{dir})
	if err != nil || len(list.Runs) != 1 || list.Runs[0].Run != "r1" || len(list.Ignored) != 8 {
		t.Errorf("%+v, %v", list, err)
	}
	for _, i := range list.Ignored {
		if i.Why == "" {
			t.Errorf("%s: no reason", i.Path)
		}
	}
	for _, run := range []string{"r9", "junk", "json", "copy", "folder", "pipe"} {
		if r, err := Read([]string{dir}, run); err == nil {
			t.Errorf("%s: %+v", run, r)
		}
	}
	if gone, err := Prune([]string{dir}, 0, 0, time.Now().Add(1e6*time.Hour)); len(gone) > 0 || err != nil {
		t.Errorf("pruned %q, %v", gone, err)
	}
}

func FuzzRead(f *testing.F) {
	whole := written(f, "r1", scenario("r1"))
	f.Add(whole)
	f.Add(whole[:len(whole)-30])
	f.Add(bytes.Replace(whole, []byte("\n"), nil, 3))
	f.Add([]byte(`{"format":"coppice.run","version":2}`))
	f.Add([]byte("\n\n{}\n" + `,"crc":"00000000"}` + "\n"))
	f.Add(bytes.Repeat([]byte("\x00"), 100))
	f.Fuzz(func(t *testing.T, text []byte) {
		var full, light builder
		light.light = true
		if err := full.build(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := light.build(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if full.record.Status != light.record.Status || full.record.Changes != light.record.Changes ||
			len(full.record.Problems) < len(light.record.Problems) {
			t.Errorf("read %+v\nlisted %+v", full.record.Summary, light.record.Summary)
		}
		if full.record.Finished != nil && !bytes.Contains(text, []byte("run_finished")) {
			t.Error("an end out of nothing")
		}
		// What is put behind a whole line in one piece, and has no seal, changes nothing.
		if bytes.HasSuffix(text, []byte("\n")) && full.record.Finished == nil && full.later == 0 {
			var more builder
			_ = more.build(bytes.NewReader(append(bytes.Clone(text), `{"seq":99999,"type":"run_finished"`...)))
			if len(more.record.Steps) != len(full.record.Steps) || more.record.Finished != nil {
				t.Errorf("a torn line counts")
			}
		}
	})
}
