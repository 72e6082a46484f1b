package subvolume

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// PinInput is the input of btrfs.pin.
type PinInput struct {
	volume.Target
	Subvolumes []string  `json:"subvolumes" min:"1" doc:"What to pin: paths from the filesystem's top level, or UUIDs."`
	Reason     string    `json:"reason" default:"" doc:"Why, for those who find it pinned."`
	Who        string    `json:"who" default:"admin" min:"1" doc:"Who pins it. Each of several holders has a pin of its own, and takes only that away."`
	Until      time.Time `json:"until,omitzero" doc:"When the pin ends by itself; left out: never."`
}

// UnpinInput is the input of btrfs.unpin.
type UnpinInput struct {
	volume.Target
	Subvolumes []string `json:"subvolumes" min:"1" doc:"What to unpin: paths from the filesystem's top level, or UUIDs."`
	Who        string   `json:"who" default:"admin" doc:"Whose pin to take away; the pins of others stay."`
}

// PinOutput is the output of btrfs.pin and btrfs.unpin.
type PinOutput struct {
	Subvolumes []PinnedSubvolume `json:"subvolumes" doc:"The subvolumes, in the order of the inputs."`
}

// PinnedSubvolume is a subvolume with the pins that it has afterwards.
type PinnedSubvolume struct {
	Path string   `json:"path" doc:"Path from the filesystem's top level."`
	UUID sdk.UUID `json:"uuid" doc:"The subvolume's UUID."`
	Pins []Pin    `json:"pins" doc:"The pins that it has then; empty: none."`
}

// Pin is one reason for which a subvolume must stay.
type Pin struct {
	Who    string    `json:"who" doc:"Who holds it; empty where the file does not say."`
	Reason string    `json:"reason" doc:"Why."`
	Until  time.Time `json:"until,omitzero" doc:"When it ends by itself; left out: never."`
}

func pinsOf(all volume.Holds) []Pin {
	pins := make([]Pin, len(all))
	for i, h := range all {
		pins[i] = Pin{Who: h.Who, Reason: h.Reason, Until: h.Until}
	}
	return pins
}
