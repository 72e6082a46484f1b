package boot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// Where the records lie.
const (
	folder         = volume.StateFolder + "/boot"
	statePath      = folder + "/state" + volume.RecordSuffix
	archivesFolder = folder + "/archives"
	skipPath       = folder + "/skip-next"
	usePath        = folder + "/use" + volume.RecordSuffix
)

// schema is the version of these records.
const schema = 1

// state is the record of all that one boot tells the next. Each change of it is one atomic write.
type state struct {
	Schema   int `json:"schema"`
	Sequence int `json:"sequence"` // of the last intent; only grows

	Last        last        `json:"last,omitzero"`          // what the last boot with a rollback came to
	Fresh       []fresh     `json:"fresh,omitempty"`        // what is at the places since
	Unconfirmed int         `json:"unconfirmed"`            // boots in a row since the last confirmed one
	Confirmed   *confirmed  `json:"confirmed,omitempty"`    // the last one; nil: there was none yet
	Previous    kernel.UUID `json:"previous,omitzero"`      // the root that was archived last
	Off         *off        `json:"off,omitempty"`          // why nothing is rolled back; nil: it is
	Intent      *intent     `json:"intent,omitempty"`       // nil: nothing is unfinished
	Losses      []string    `json:"acknowledged,omitempty"` // what somebody knows to be lost with the root, as paths in it
}

// last is a boot that this package has done its work in.
type last struct {
	Boot string    `json:"boot"` // its id
	At   time.Time `json:"at"`   // by its clock
	What string    `json:"what"` // rolled-back, skipped …: a result
}

// fresh is one that was put at a place, as it was then.
type fresh struct {
	Place       string      `json:"place"`
	UUID        kernel.UUID `json:"uuid"`
	Changed     uint64      `json:"changed"` // the transaction of the last change in it; 0: not known
	From        kernel.UUID `json:"from"`    // what it is a snapshot of; zero: it was empty
	FromChanged uint64      `json:"from_changed"`
}

// confirmed is a boot that went well.
type confirmed struct {
	Boot string      `json:"boot"`
	At   time.Time   `json:"at"`
	Root kernel.UUID `json:"root"`
}

// off says that nothing is rolled back.
type off struct {
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
	// Confirm: the next confirmed boot ends it; else somebody has to.
	Confirm bool `json:"until_confirmed"`
}

// intent is what a rollback sets out to do.
type intent struct {
	Boot     string         `json:"boot"`
	Sequence int            `json:"sequence"`
	At       time.Time      `json:"at"`
	Trusted  bool           `json:"trusted"` // the clock was synchronised
	What     string         `json:"what"`    // a result
	Root     string         `json:"root"`    // which place is the root's
	Places   []intentMember `json:"places"`  // in the order of the exchanges
}

// intentMember is one place of it.
type intentMember struct {
	Place       string      `json:"place"`
	Kind        kind        `json:"kind"`
	Old         kernel.UUID `json:"old"`     // what is there; zero: nothing is
	Archive     string      `json:"archive"` // where the new one is made, and the old one is after the exchange
	From        kernel.UUID `json:"from"`    // what the new one is a snapshot of; zero: empty
	FromChanged uint64      `json:"from_changed"`
	New         kernel.UUID `json:"new"`         // zero: not made yet
	NewChanged  uint64      `json:"new_changed"` // as in fresh, after the exchange
}

// kind is what a new one is made of.
type kind string

const (
	clean  kind = "clean"  // a snapshot of the blank, or empty
	copied kind = "copy"   // a copy of an archive, with the subvolumes that lie in it
	staged kind = "staged" // a copy that was made before, on request
)

// archived is the record of an archive, named by its UUID.
type archived struct {
	Schema      int         `json:"schema"`
	UUID        kernel.UUID `json:"uuid"`
	Place       string      `json:"place"` // where it was
	Path        string      `json:"path"`  // where it is
	Sequence    int         `json:"sequence"`
	Boot        string      `json:"boot"` // in which it was archived
	At          time.Time   `json:"at"`   // by the clock of that boot
	Trusted     bool        `json:"trusted"`
	CountedFrom time.Time   `json:"counted_from,omitzero"` // of one with an untrusted clock: the first trusted time after it
	Confirmed   bool        `json:"confirmed,omitempty"`   // a confirmed boot ran from it
	Abandoned   bool        `json:"abandoned,omitempty"`
	Adopted     bool        `json:"adopted,omitempty"` // another tool has put it away; At is by its name, or when it was adopted
	Changed     uint64      `json:"changed,omitempty"` // of an abandoned one: the transaction of the last change in it
}

// age is from when its age counts; zero: not yet.
func (a archived) age() time.Time {
	if a.Trusted {
		return a.At
	}
	return a.CountedFrom
}

func (a archived) path() string { return archivesFolder + "/" + a.UUID.String() + volume.RecordSuffix }

// strictly decodes a record. Members that this version does not know would be lost by writing it again.
func strictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// versionOf reads only the version of a record.
func versionOf(data []byte) error {
	var v struct{ Schema int }
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	if v.Schema != schema {
		return fmt.Errorf("it is of version %d; this coppice knows version %d", v.Schema, schema)
	}
	return nil
}

func decodeState(data []byte) (state, error) {
	var s state
	if err := versionOf(data); err != nil {
		return s, err
	}
	if err := strictly(data, &s); err != nil {
		return s, err
	}
	if s.Intent != nil {
		if len(s.Intent.Boot) < minBoot || len(s.Intent.Places) == 0 {
			return s, errors.New("its intent has no boot or no places")
		}
		for _, m := range s.Intent.Places {
			for _, p := range []string{m.Place, m.Archive} {
				if clean, bad := volume.CleanPath("", p); bad != nil || clean != p || clean == "" {
					return s, fmt.Errorf("it has the path %q", p)
				}
			}
		}
	}
	return s, nil
}

// minBoot is the least length of a boot id.
const minBoot = 8

// readState reads the state; the zero one with the right version when there is none.
func readState(f *kernel.Filesystem) (state, error) {
	data, err := f.ReadFile(statePath)
	if errors.Is(err, kernel.ErrNotFound) {
		return state{Schema: schema}, nil
	}
	var s state
	if err == nil {
		s, err = decodeState(data)
	}
	if err != nil {
		return s, volume.Refuse("repair it; if it is removed, what an earlier rollback left unfinished is not taken into account",
			"%s can't be used, so nobody knows how far an earlier rollback came: %v", statePath, err)
	}
	return s, nil
}

// write makes the state durable.
func (s state) write(f *kernel.Filesystem) error { return volume.WriteRecord(f, statePath, s) }

// write makes the record durable.
func (a archived) write(f *kernel.Filesystem) error { return volume.WriteRecord(f, a.path(), a) }

func decodeArchived(name string, data []byte) (archived, error) {
	var a archived
	if err := versionOf(data); err != nil {
		return a, err
	}
	if err := strictly(data, &a); err != nil {
		return a, err
	}
	if a.UUID.String()+volume.RecordSuffix != name {
		return a, errors.New("its name is not its UUID")
	}
	return a, nil
}

// readArchives reads all records of archives, the oldest first. One that can't be read is in the errors.
func readArchives(f *kernel.Filesystem) (all []archived, unreadable []error) {
	dir, err := f.OpenDir(archivesFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	defer dir.Close()
	names, err := volume.RecordNames(dir)
	if err != nil {
		return nil, []error{err}
	}
	for _, name := range names {
		data, err := volume.ReadSmall(dir, name)
		var a archived
		if err == nil {
			a, err = decodeArchived(name, data)
		}
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("%s/%s: %w", archivesFolder, name, err))
			continue
		}
		all = append(all, a)
	}
	return all, unreadable
}

// freshAt finds what was put at a place.
func (s state) freshAt(place string) (fresh, bool) {
	for _, f := range s.Fresh {
		if f.Place == place {
			return f, true
		}
	}
	return fresh{}, false
}

// withFresh returns the state with f in the place of what was there.
func (s state) withFresh(f fresh) state {
	all := []fresh{}
	for _, o := range s.Fresh {
		if o.Place != f.Place {
			all = append(all, o)
		}
	}
	s.Fresh = append(all, f)
	return s
}

// use is a request: the next boot has the staged subvolume as its root.
type use struct {
	Schema int         `json:"schema"`
	Staged kernel.UUID `json:"staged"`
	Of     string      `json:"of"`   // what it is a copy of, in words
	From   kernel.UUID `json:"from"` // and its UUID
	Place  string      `json:"place"`
	Once   bool        `json:"once"` // the boot after it is rolled back again
	At     time.Time   `json:"at"`
}

// readUse reads the request; nil: there is none.
func readUse(f *kernel.Filesystem) (*use, error) {
	data, err := f.ReadFile(usePath)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	var u use
	if err == nil {
		err = versionOf(data)
	}
	if err == nil {
		err = strictly(data, &u)
	}
	if err == nil && (u.Staged.IsZero() || u.Place == "") {
		err = errors.New("it names no subvolume")
	}
	if err != nil {
		return nil, volume.Refuse("remove it: \"coppice boot use\" writes it again", "the request %s can't be read: %v", usePath, err)
	}
	return &u, nil
}

// words are a few things in one line.
func words(all []string, most int) string {
	text := strings.Join(all[:min(len(all), most)], ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
