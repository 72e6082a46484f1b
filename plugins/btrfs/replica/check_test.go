package replica

import (
	"strings"
	"testing"
	"time"
)

// TestCheck: each mistake in a file is told where it is.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[]}]}`, ""},
		{`{"format":"coppice.layout","version":1,"filesystems":[]}`, "/filesystems"},
		{`{"format":"else","version":1,"filesystems":[{"subvolumes":[]}]}`, "/format"},
		{`{"format":"coppice.layout","version":2,"filesystems":[{"subvolumes":[]}]}`, "/version"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":"/a"}]}]}`, "/filesystems/0/subvolumes/0/path"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":".coppice/x"}]}]}`, "/filesystems/0/subvolumes/0/path"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":"a"},{"path":"a"}]}]}`, "/filesystems/0/subvolumes/1/path"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":"a","uuid":"x"}]}]}`, "/filesystems/0/subvolumes/0/uuid"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":"a","snapshot_of":"b"}]}]}`, "/filesystems/0/subvolumes/0/snapshot_of"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":"a","no_cow":true,"compression":"zstd"}]}]}`, "/filesystems/0/subvolumes/0/no_cow"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[{"path":"a","max_referenced":1}]}]}`, "/filesystems/0/subvolumes/0"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[],"default":"a"}]}`, "/filesystems/0/default"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[],"mounts":[{"at":"/x/","subvolume":"a"}]}]}`,
			"/filesystems/0/mounts/0/subvolume /filesystems/0/mounts/0/at"},
		{`{"format":"coppice.layout","version":1,"filesystems":[{"subvolumes":[],"series":[{"of":"a","into":"b","every":"0s","count":1}]}]}`,
			"/filesystems/0/series/0/of /filesystems/0/series/0/every"},
	} {
		_, wrong, err := Decode([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		var at []string
		for _, w := range wrong {
			at = append(at, w.Path)
		}
		if got := strings.Join(at, " "); got != c.want {
			t.Errorf("%s:\nmistakes at %q, want %q: %v", c.text, got, c.want, wrong)
		}
	}
	if _, _, err := Decode([]byte(`{"format":`)); err == nil {
		t.Error("half of a file is read")
	}
}

// TestExample: the example is right, and has the same UUIDs each time.
func TestExample(t *testing.T) {
	l := Example()
	if wrong := l.Check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	now := time.Now()
	a, b := l.Expand(now).Filesystems[0], Example().Expand(now).Filesystems[0]
	same(t, "the same again", a, b)
	if len(a.Series) > 0 || len(a.Subvolumes) != 12+1+4*140 {
		t.Errorf("%d subvolumes", len(a.Subvolumes))
	}
}
