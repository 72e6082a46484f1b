package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

// ask talks to a server about a folder, and returns its replies.
func (p *pair) ask(in string) []reply {
	p.T.Helper()
	var out bytes.Buffer
	err := Serve(context.Background(), p.Host, p.other.Mount, strings.NewReader(in), &out)
	if err != nil && !strings.Contains(err.Error(), "cannot read a request") {
		p.T.Error(err)
	}
	var all []reply
	for line := range bytes.Lines(out.Bytes()) {
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			p.T.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func line(t testing.TB, q request) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeLine(&b, q); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What another machine must not ask for.
func TestServerRefuses(t *testing.T) {
	p := newPair(t)
	open := line(t, request{Open: &openRequest{Version: wireVersion, Path: p.other.Path("to")}})
	good := job{Source: "root", Folder: "root", Stamp: "20261024T060000.000Z", Origin: kernel.UUID{1}}
	with := func(change func(*job)) string {
		j := good
		change(&j)
		return line(t, request{Keep: &j, Stall: 1e9})
	}
	for name, c := range map[string]struct{ ask, want string }{
		"nothing is open":   {line(t, request{Query: &query{}}), "no folder is open"},
		"another version":   {line(t, request{Open: &openRequest{Version: 99, Path: "/"}}), "version 99"},
		"another folder":    {line(t, request{Open: &openRequest{Version: wireVersion, Path: "/tmp"}}), "only targets in"},
		"out of it":         {line(t, request{Open: &openRequest{Version: wireVersion, Path: p.other.Path("to/../..")}}), "only targets in"},
		"no folder":         {line(t, request{Open: &openRequest{Version: wireVersion, Path: p.other.Path("none")}}), "no such file"},
		"itself":            {line(t, request{Open: &openRequest{Version: wireVersion, Path: p.other.Path("to"), Source: uuidOf(t, p)}}), "a copy there is no backup"},
		"nothing":           {open + "{}\n", "an unknown request"},
		"a wrong source":    {open + with(func(j *job) { j.Source = "../x" }), "the source is called"},
		"a wrong folder":    {open + with(func(j *job) { j.Folder = "../../etc" }), "the folder of \"root\" is called"},
		"a wrong name":      {open + with(func(j *job) { j.Stamp = "../x" }), "the snapshot is called"},
		"no UUID":           {open + with(func(j *job) { j.Origin = kernel.UUID{} }), "has no UUID"},
		"a folder outside":  {open + line(t, request{Query: &query{Folders: []string{"../../etc"}}}), "\"..\" is in the path"},
		"somebody's hold":   {open + line(t, request{Hold: &heldCopy{Folder: "root", Who: "admin", Origin: kernel.UUID{1}}}), "the hold would be that of \"admin\""},
		"a hold on nothing": {open + line(t, request{Hold: &heldCopy{Folder: "root", Who: "sender:x", Origin: kernel.UUID{1}}}), "is gone from"},
		"no stream":         {open + with(func(*job) {}) + "\x00\x00\x00\x05hello\x00\x00\x00\x00", "the stream is cut off"},
		"half a stream":     {open + with(func(*job) {}) + "\x00\x00\x00\x05hel", "the stream is cut off"},
		"a huge frame":      {open + with(func(*job) {}) + "\xff\xff\xff\xffhel", "a frame of 4294967295 bytes"},
	} {
		replies := p.ask(c.ask)
		if len(replies) == 0 {
			t.Errorf("%s: no reply", name)
			continue
		}
		rig.Contains(t, name+": "+rig.Told(replies[len(replies)-1].Failed), c.want)
	}
	if all := p.ask("no JSON\n"); len(all) > 0 {
		t.Error(rig.Show(all))
	}
	// A claim can't be named by a path.
	replies := p.ask(open + line(t, request{Clean: []remnant{{Path: "to/root/x", Note: "../version"}}}))
	rig.Contains(t, rig.Told(replies[len(replies)-1].Failed), "\"..\" is in the path")
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
}

func uuidOf(t testing.TB, p *pair) kernel.UUID {
	t.Helper()
	f, err := kernel.Open(context.Background(), p.other.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.UUID()
}

func TestErrorsTravel(t *testing.T) {
	var r, got reply
	r.fail(&absentError{errors.New("gone")})
	var b bytes.Buffer
	if err := writeLine(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := readLine(bufio.NewReader(&b), &got); err != nil {
		t.Fatal(err)
	}
	if err := got.err("there"); !isAbsent(err) || err.Error() != "there: gone" {
		t.Errorf("%v", err)
	}
	r = reply{}
	r.fail(unix.ENOSPC)
	if err := r.err("there"); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "there: no space left") {
		t.Errorf("%v", err)
	}
	if err := readLine(bufio.NewReader(strings.NewReader("{")), &got); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

func TestFrames(t *testing.T) {
	data := bytes.Repeat([]byte("some data "), 100_000)
	var wire, out bytes.Buffer
	if err := writeFrames(&wire, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	whole := wire.Bytes()
	if err := copyFrames(&out, bytes.NewReader(whole)); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
	for _, n := range []int{0, 1, 3, 4, 5, len(whole) / 2, len(whole) - 4, len(whole) - 1} {
		if err := copyFrames(io.Discard, bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off at %d: %v", n, err)
		}
	}
}
