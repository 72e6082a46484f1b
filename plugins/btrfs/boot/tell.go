package boot

import (
	"encoding/json"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// Message ids of what a journal is told of boots: journalctl MESSAGE_ID=… finds them. They never change.
const (
	RolledBackID = "047102f34f894362a27bf9c2b664c647" // the root was exchanged: for a clean one, or for what was asked for
	SkippedID    = "a6653d5812fe4536a9394e12260aa0b1" // the root stays as it is, as it is meant to
	RefusedID    = "2c36107d61d5498eb33ba1de6ffdae0e" // the root stays as it is, for a reason that is a failure
	FellBackID   = "8ff25205d0184ceca3ea6da53eca9517" // a copy of the last confirmed root has come back
	ConfirmedID  = "c89dd1b722f84bdd8ceeef570390f359" // the boot was confirmed
)

// Told is what a journal is told.
type Told struct {
	ID      string // one of the message ids
	Message string // one line
	Grave   bool   // it is worth a warning
}

// Tell puts the outputs of an action that has ended well into words. told is false if there is nothing to tell.
func Tell(action string, outputs json.RawMessage) (t Told, told bool) {
	switch action {
	case "rollback":
		var out RollbackOutput
		if json.Unmarshal(outputs, &out) != nil {
			return t, false
		}
		return out.tell()
	case "boot_confirm":
		var out ConfirmOutput
		if json.Unmarshal(outputs, &out) != nil {
			return t, false
		}
		return Told{ID: ConfirmedID, Message: fmt.Sprintf("this boot is confirmed: its root %s is the one to come back to", out.UUID)}, true
	}
	return t, false
}

func (o RollbackOutput) tell() (Told, bool) {
	var archived string
	for _, a := range o.Archived {
		if a.Place == o.Root {
			archived = fmt.Sprintf("; the old one is %q", a.Path)
		}
	}
	if n := len(o.Archived); archived == "" && n > 0 {
		archived = "; " + volume.Count(n, "subvolume") + " archived"
	}
	why := ""
	if o.Why != "" {
		why = ": " + o.Why
	}
	switch o.Result {
	case rolledBack:
		return Told{ID: RolledBackID, Message: "the root is a clean one" + archived}, true
	case reused:
		return Told{ID: RolledBackID, Message: "the root is clean still, and stays"}, true
	case used, usedOnce:
		return Told{ID: RolledBackID, Message: "the root is another one" + why + archived}, true
	case fellBack:
		return Told{ID: FellBackID, Message: "a copy of the last confirmed root is the root" + why + archived, Grave: true}, true
	case skipped:
		return Told{ID: SkippedID, Message: "the root stays as it is" + why, Grave: true}, true
	}
	return Told{}, false
}
