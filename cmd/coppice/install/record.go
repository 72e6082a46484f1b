package install

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"
)

// RecordPath is where it stands what was installed.
const RecordPath = "/etc/coppice/installed.json"

const (
	recordFormat  = "coppice.installed"
	recordVersion = 1
)

// record is what was installed. It lies beside what it tells of: a root that is replaced takes both with it.
type record struct {
	Format  string      `json:"format"`
	Version int         `json:"version"`
	Coppice string      `json:"coppice"` // the version that has written it
	Files   []installed `json:"files"`
	Folders []string    `json:"folders,omitempty"` // that had to be made
}

// installed is a file as it was written.
type installed struct {
	Path   string      `json:"path"`
	Mode   fs.FileMode `json:"mode"`
	SHA256 string      `json:"sha256"` // of the content, or of what a link leads to
	Parts  []string    `json:"parts"`  // whose it is, sorted
}

func (i installed) is(f File) bool {
	return i.Mode&fs.ModeSymlink == f.Mode&fs.ModeSymlink && i.SHA256 == digest(f.Content) && (f.IsLink() || i.Mode == f.Mode)
}

func (r *record) find(path string) *installed {
	for i := range r.Files {
		if r.Files[i].Path == path {
			return &r.Files[i]
		}
	}
	return nil
}

// set notes a file, or forgets it: no part has it any more. It reports whether that was news.
func (r *record) set(i installed) bool {
	slices.Sort(i.Parts)
	old := r.find(i.Path)
	if old == nil && len(i.Parts) == 0 || old != nil && reflect.DeepEqual(*old, i) {
		return false
	}
	r.Files = slices.DeleteFunc(r.Files, func(old installed) bool { return old.Path == i.Path })
	if len(i.Parts) > 0 {
		r.Files = append(r.Files, i)
	}
	slices.SortFunc(r.Files, func(a, b installed) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return true
}

// readRecord reads the record. It decides what is deleted, so that nobody else may be able to write it.
func (t *Target) readRecord() error {
	found, err := t.read(RecordPath)
	if err != nil || found == nil {
		return err
	}
	name := t.shown(RecordPath)
	if found.Mode.Type() != 0 {
		return fmt.Errorf("%s is not a file", name)
	}
	f, err := t.openat(RecordPath, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if uid := uint32(os.Geteuid()); st.Uid != uid && st.Uid != 0 || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s can be written by others (owner %d, mode %04o), and so proves nothing", name, st.Uid, st.Mode&0o7777)
	}
	var head record
	if err := json.Unmarshal([]byte(found.Content), &head); err != nil {
		return fmt.Errorf("%s can't be read: %w", name, err)
	}
	if head.Format != recordFormat || head.Version != recordVersion {
		return fmt.Errorf("%s is of another version of coppice (%s, version %d)", name, head.Format, head.Version)
	}
	for _, i := range head.Files {
		if err := (File{Path: i.Path}).check(); err != nil {
			return fmt.Errorf("%s can't be believed: %w", name, err)
		}
	}
	t.record = head
	return nil
}

func (t *Target) writeRecord() error {
	if len(t.record.Files) == 0 {
		if err := t.remove(RecordPath); err != nil {
			return err
		}
		for _, folder := range slices.Backward(t.record.Folders) {
			t.removeFolder(folder)
		}
		t.record.Folders = nil
		return nil
	}
	t.record.Format, t.record.Version = recordFormat, recordVersion
	data, err := json.MarshalIndent(t.record, "", "  ")
	if err != nil {
		return err
	}
	made, err := t.write(File{Path: RecordPath, Mode: 0o644, Content: string(data) + "\n"})
	if err == nil && len(made) > 0 { // the folder of the record itself
		t.record.Folders = append(t.record.Folders, made...)
		return t.writeRecord()
	}
	return err
}
