package main

import (
	"encoding/json"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// folder is where the shipped playbook puts snapshots.
const folder = "snapshots"

// coppiceForm is the way of btrfs.snapshot. Taking thousands through the plugin itself would take minutes, as it looks at
// the whole machine each time. That the product takes them for its own is checked afterwards: it says so of each.
type coppiceForm struct{}

func (coppiceForm) String() string { return "coppice" }

func (coppiceForm) prepare(top *kernel.Filesystem, source string) error {
	if _, err := top.MkdirAll(folder+"/"+source, 0o700); err != nil {
		return err
	}
	if _, err := top.MkdirAll(".coppice/snapshots", 0o700); err != nil {
		return err
	}
	return top.WriteFileAtomic(".coppice/version", []byte("1\n"), 0o600)
}

func (coppiceForm) place(_ *kernel.Filesystem, source string, _ int, at time.Time) (dir, name string, err error) {
	return folder + "/" + source, stamp(at), nil
}

func (coppiceForm) taken(top *kernel.Filesystem, at time.Time, all []snapshot) error {
	type member struct {
		Path       string `json:"path"`
		Source     string `json:"source"`
		SourceUUID string `json:"source_uuid"`
		UUID       string `json:"uuid"`
	}
	run := at.Format("20060102T150405Z") + "-bench"
	record := struct {
		Run     string   `json:"run"`
		Stamp   string   `json:"stamp"`
		TakenBy string   `json:"taken_by"`
		Members []member `json:"members"`
	}{Run: run, Stamp: stamp(at), TakenBy: "btrfs.snapshot"}
	for _, s := range all {
		record.Members = append(record.Members, member{s.Path, s.source.Path, s.source.UUID.String(), s.UUID.String()})
	}
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	return top.WriteFileAtomic(".coppice/snapshots/"+stamp(at)+"-"+run+".json", data, 0o600)
}

// stamp is the name of a snapshot.
func stamp(at time.Time) string { return at.Format("20060102T150405.000Z") }
