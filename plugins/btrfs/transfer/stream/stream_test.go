package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

var (
	one = kernel.UUID{1, 2, 3}
	two = kernel.UUID{4, 5, 6}
)

// cmd makes a command of attributes: number, value, number, value…
func cmd(kind uint16, all ...any) []byte {
	c := make([]byte, cmdHeader)
	binary.LittleEndian.PutUint16(c[4:], kind)
	for i := 0; i < len(all); i += 2 {
		value := []byte(all[i+1].(string))
		c = binary.LittleEndian.AppendUint16(c, uint16(all[i].(int)))
		c = binary.LittleEndian.AppendUint16(c, uint16(len(value)))
		c = append(c, value...)
	}
	binary.LittleEndian.PutUint32(c, uint32(len(c)-cmdHeader))
	binary.LittleEndian.PutUint32(c[6:], checksum(c))
	return c
}

func header(version byte) []byte { return append([]byte(magic), version, 0, 0, 0) }

// full is a stream of one, with one file in it.
func full(name string) []byte {
	return bytes.Join([][]byte{header(1),
		cmd(cmdSubvol, attrPath, name, attrUUID, string(one[:]), 2, "\x09\x00\x00\x00\x00\x00\x00\x00"),
		cmd(3, attrPath, "o257-9-0"), cmd(15, attrPath, "o257-9-0", 18, "\x00\x00\x00\x00\x00\x00\x00\x00", 19, strings.Repeat("data", 50)),
		cmd(cmdUpdateExtent, attrPath, "x", attrSize, "\x00\x10\x00\x00\x00\x00\x00\x00"), cmd(cmdEnd)}, nil)
}

// changes is a stream of one as changes to two.
func changes() []byte {
	return bytes.Join([][]byte{header(1),
		cmd(cmdSnapshot, attrPath, "name", attrUUID, string(one[:]), 2, "\x09\x00\x00\x00\x00\x00\x00\x00", attrCloneUUID, string(two[:]), attrCloneTransID, "\x08\x00\x00\x00\x00\x00\x00\x00"),
		cmd(cmdEnd)}, nil)
}

func TestStreamsPassUnchanged(t *testing.T) {
	for _, s := range [][]byte{full("name"), changes()} {
		want := Begin{UUID: one}
		if bytes.Equal(s, changes()) {
			want.Parent = two
		}
		ended := 0
		r := NewReader(iotest.OneByteReader(bytes.NewReader(s)), want, "")
		r.Ended = func() { ended++ }
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, s) || ended != 1 {
			t.Errorf("%v, %d bytes of %d, ended %d times", err, len(got), len(s), ended)
		}
	}
	r := NewReader(bytes.NewReader(full("name")), Begin{UUID: one}, "")
	if _, err := io.Copy(io.Discard, r); err != nil || r.Data != 4096 {
		t.Errorf("%v, data %d", err, r.Data)
	}
}

func TestTheNameIsReplaced(t *testing.T) {
	got, err := io.ReadAll(NewReader(bytes.NewReader(full("../../etc")), Begin{UUID: one}, "temporary"))
	if err != nil || !bytes.Equal(got, full("temporary")) {
		t.Errorf("%v: %q", err, got[:100])
	}
}

func TestDamagedStreams(t *testing.T) {
	whole := full("name")
	for i := range whole {
		if got, err := io.ReadAll(NewReader(bytes.NewReader(whole[:i]), Begin{UUID: one}, "")); err == nil {
			t.Fatalf("cut off at %d: %d bytes pass as a whole stream", i, len(got))
		} else if !errors.Is(err, ErrCut) {
			t.Fatalf("cut off at %d: %v", i, err)
		}
	}
	for i := headerSize; i < len(whole); i++ { // the version has no checksum, and a 2 is as good as a 1
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << bit
			if _, err := io.ReadAll(NewReader(bytes.NewReader(flipped), Begin{UUID: one}, "")); err == nil {
				t.Fatalf("bit %d of byte %d flipped: nobody notices", bit, i)
			}
		}
	}
	for name, c := range map[string]struct {
		stream []byte
		want   Begin
		err    string
	}{
		"another snapshot": {whole, Begin{UUID: two}, "the stream is of the snapshot with UUID"},
		"another parent":   {changes(), Begin{UUID: one, Parent: one}, "the stream has the changes to the snapshot with UUID"},
		"a parent":         {changes(), Begin{UUID: one}, "not to nothing"},
		"no parent":        {whole, Begin{UUID: one, Parent: two}, "the changes to nothing"},
		"version 3":        {append(header(3), whole[headerSize:]...), Begin{UUID: one}, "of version 3"},
		"no stream":        {[]byte("#!/bin/sh\necho hello, world\n"), Begin{UUID: one}, "not a btrfs stream"},
		"no snapshot":      {append(header(1), cmd(cmdEnd)...), Begin{UUID: one}, "does not begin with a snapshot"},
		"no UUID":          {append(header(1), cmd(cmdSubvol, attrPath, "x")...), Begin{UUID: one}, "does not say which"},
		"two snapshots":    {append(full("x")[:len(full("x"))-cmdHeader], full("x")[headerSize:]...), Begin{UUID: one}, "a second snapshot"},
		"more":             {append(full("x"), 'x'), Begin{UUID: one}, "more after the end"},
		"huge":             {append(header(1), 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0), Begin{UUID: one}, "a command of 2147483647 bytes"},
	} {
		_, err := io.ReadAll(NewReader(bytes.NewReader(c.stream), c.want, "other"))
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever comes: no panic, no endless loop, and what passes as whole is.
func FuzzReader(f *testing.F) {
	f.Add(full("name"), true)
	f.Add(changes(), false)
	f.Fuzz(func(t *testing.T, data []byte, rename bool) {
		name := ""
		if rename {
			name = "new"
		}
		got, err := io.ReadAll(NewReader(bytes.NewReader(data), Begin{UUID: one}, name))
		if err != nil {
			return
		}
		if name == "" && !bytes.Equal(got, data) {
			t.Fatal("a stream was changed")
		}
		again, err := io.ReadAll(NewReader(bytes.NewReader(got), Begin{UUID: one}, name))
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("what was passed on is no stream: %v", err)
		}
	})
}
