package kernel

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// sent is the stream that Send writes, and its error.
func sent(t *testing.T, f *Filesystem, spec SendSpec) ([]byte, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ended := make(chan error, 1)
	go func() {
		err := f.Send(spec, w)
		w.Close()
		ended <- err
	}()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data, <-ended
}

func TestSend(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 128 << 20})
	f, err := Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.CreateSubvolume("source"); err != nil {
		t.Fatal(err)
	}
	var shots []Subvolume
	for _, name := range []string{"first\n", "second"} {
		if err := os.WriteFile(fs.Path("source/"+name), make([]byte, 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := f.Snapshot(SnapshotSpec{SourcePath: "source", Name: name, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		shots = append(shots, s)
	}
	for _, c := range []struct {
		spec SendSpec
		args []string
	}{
		{SendSpec{Source: shots[0].UUID}, []string{fs.Path("first\n")}},
		{SendSpec{Source: shots[1].UUID, Parent: shots[0].UUID}, []string{"-p", fs.Path("first\n"), fs.Path("second")}},
		{SendSpec{Source: shots[1].UUID, Parent: shots[0].UUID, NoData: true}, []string{"--no-data", "-p", fs.Path("first\n"), fs.Path("second")}},
	} {
		got, err := sent(t, f, c.spec)
		if err != nil {
			t.Fatal(err)
		}
		want, err := exec.Command("btrfs", append([]string{"send", "-q"}, c.args...)...).Output()
		if err != nil || string(want) != string(got) {
			t.Errorf("btrfs send %q: %v, %d bytes; here %d bytes", c.args, err, len(want), len(got))
		}
	}

	live, err := f.Info(shots[0].ParentID)
	if err != nil {
		t.Fatal(err)
	}
	source, _, err := f.AtPath("source")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sent(t, f, SendSpec{Source: source.UUID}); !errors.Is(err, ErrInUse) {
		t.Errorf("a writable one: %v (top level %d)", err, live.ID)
	}
	if _, err := sent(t, f, SendSpec{Source: UUID{1}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	if _, err := sent(t, f, SendSpec{Source: shots[1].UUID, Parent: UUID{1}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown parent: %v", err)
	}

	// Closing the other end stops it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Send(SendSpec{Source: shots[1].UUID}, w) }()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := <-ended; !errors.Is(err, unix.EPIPE) {
		t.Errorf("without a reader: %v", err)
	}
	w.Close()
}

func TestFolderAt(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 128 << 20})
	f, err := Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.CreateSubvolume("sub"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.MkdirAll("sub/a/b c\n", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fs.Path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bind := filepath.Join(t.TempDir(), "bind")
	if err := os.Mkdir(bind, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(fs.Path("sub/a"), bind, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(bind, unix.MNT_DETACH)
	for path, want := range map[string]string{fs.Mount: "", fs.Path("sub"): "sub", fs.Path("sub/a/b c\n"): "sub/a/b c\n", bind + "/b c\n": "sub/a/b c\n"} {
		if got, err := f.FolderAt(path); err != nil || got != want {
			t.Errorf("%q: %q %v", path, got, err)
		}
	}
	for path, want := range map[string]error{fs.Path("file"): ErrInvalid, fs.Path("none"): ErrNotFound, "/proc": ErrNotBtrfs} {
		if got, err := f.FolderAt(path); !errors.Is(err, want) {
			t.Errorf("%q: %q %v", path, got, err)
		}
	}
}
