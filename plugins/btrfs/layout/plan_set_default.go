package layout

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// topLevel stands for the top level where a path is told: no path from the top level begins with it.
const topLevel = "/"

// setDefaultPrivate is what Apply sets: nothing if Set is false. The zero UUID is that of the top level.
type setDefaultPrivate struct {
	Filesystem string
	Path       string
	UUID       kernel.UUID
	Set        bool
	Output     SetDefaultOutput
}

type setDefaultPlan = sdk.Planned[SetDefaultOutput, setDefaultPrivate]

type setDefaultFacts struct {
	Filesystem string `json:"filesystem"`
	Previous   string `json:"previous"`
	Default    string `json:"default"`
}

func planSetDefault(v *subvolume.View, path string, instant time.Time) (setDefaultPlan, error) {
	var planned setDefaultPlan
	if reserved(path) {
		return planned, reservedError("/subvolume", path)
	}
	var before, after subvolume.FilesystemProperties
	out := SetDefaultOutput{Previous: topLevel, Default: topLevel}
	facts := setDefaultFacts{Filesystem: v.UUID(), Previous: topLevel, Default: topLevel}
	if was, is := v.Default(); is {
		out.Previous, facts.Previous = was.Path, was.Fact(instant)
		before.DefaultUUID = was.IDText()
	}
	private := setDefaultPrivate{Filesystem: v.UUID(), Path: path}
	if path != "" {
		s, there := v.At(path)
		if !there {
			return planned, missing(v, "/subvolume", path)
		}
		out.Default, out.UUID, facts.Default = s.Path, sdk.UUID(s.IDText()), s.Fact(instant)
		after.DefaultUUID = s.IDText()
		private.UUID = s.UUID
		if s.Planned {
			planned.Unknown = []string{"/uuid"}
		}
	}
	planned.Outputs, planned.Facts = out, facts
	if out.Previous == out.Default {
		planned.Kept = []sdk.Kept{{Resource: v.Named(volume.FilesystemType, "default subvolume"), Reason: "is " + shown(out.Default) + " already"}}
		private.Output = out
		planned.Private = private
		return planned, nil
	}
	if err := v.Writable("its default subvolume can't be changed"); err != nil {
		return planned, err
	}
	before.Default, after.Default = &out.Previous, &out.Default
	planned.Changes = []sdk.Change{{
		Kind:     sdk.Update,
		Resource: v.Named(volume.FilesystemType, "default subvolume"),
		Summary:  fmt.Sprintf("%s instead of %s", shown(out.Default), shown(out.Previous)),
		Before:   subvolume.Encode(before), After: subvolume.Encode(after),
	}}
	private.Set, private.Output = true, out
	planned.Private = private
	return planned, nil
}

func shown(path string) string {
	if path == topLevel {
		return "the top level"
	}
	return path
}

// missing is the error for an input that names no subvolume.
func missing(v *subvolume.View, input, path string) error {
	kind, other, err := v.Other(path)
	switch {
	case err != nil:
		return volume.Explain(input, err)
	case other:
		return sdk.InvalidInput(input, "%q is a %v, not a subvolume", path, kind)
	}
	return volume.Invalid(input, "btrfs.list shows those that there are", "there is no subvolume %q", path)
}
