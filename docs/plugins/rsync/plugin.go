package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// New makes the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{Name: "rsync", Version: "1.0.0", Summary: "folders that are copies of others", Actions: []sdk.Action{mirrorAction()}}
}

// MirrorInput is the input of rsync.mirror.
type MirrorInput struct {
	Source sdk.Path `json:"source" doc:"The folder that is copied."`
	Target sdk.Path `json:"target" doc:"The folder that becomes like it. The folder above it must exist."`
	Delete bool     `json:"delete" default:"false" doc:"Delete in the target what the source does not have."`
}

// MirrorOutput is the output of rsync.mirror.
type MirrorOutput struct {
	Changed int `json:"changed" doc:"How many files and folders differed."`
}

const itemType = "rsync.item"

func mirrorAction() sdk.Action {
	return sdk.Write(sdk.Info{
		Name: "mirror", Summary: "Make a folder a copy of another one",
		Description: "Copies with rsync --archive: permissions, owners, times and links included. What has the same size and time is taken to be the same.",
		Effect:      sdk.Destroys, Converges: true, Touches: []string{itemType},
	}, sdk.Writer[MirrorInput, MirrorOutput, []item]{
		Locks: func(_ context.Context, _ *sdk.Call, in MirrorInput) ([]sdk.Lock, error) {
			return []sdk.Lock{{Key: "rsync:" + filepath.Clean(string(in.Target)), Title: string(in.Target)}}, nil
		},
		Plan: plan, Apply: apply,
	})
}

func plan(ctx context.Context, c *sdk.Call, in MirrorInput) (sdk.Planned[MirrorOutput, []item], error) {
	var p sdk.Planned[MirrorOutput, []item]
	for _, folder := range []struct{ input, path string }{{"/source", string(in.Source)}, {"/target", filepath.Dir(string(in.Target))}} {
		if info, err := os.Stat(folder.path); err != nil || !info.IsDir() {
			return p, sdk.InvalidInput(folder.input, "there is no folder %s", folder.path)
		}
	}
	items, err := differences(ctx, in)
	if err != nil {
		return p, err
	}
	for _, i := range items {
		if plannedBefore(i, in, c.Prior) {
			continue
		}
		p.Private = append(p.Private, i)
		p.Changes = append(p.Changes, sdk.Change{Kind: i.kind(), Summary: i.Flags,
			Resource: sdk.Resource{Type: itemType, Scope: string(in.Target), Name: filepath.Join(string(in.Target), i.Name)}})
	}
	p.Outputs.Changed = len(p.Changes)
	if p.Facts, err = facts(in, p.Private); err != nil {
		return p, err
	}
	return p, nil
}

// plannedBefore reports whether an earlier step of a preview makes that change.
func plannedBefore(i item, in MirrorInput, prior []sdk.Change) bool {
	for _, c := range prior {
		if c.Resource.Type == itemType && c.Resource.Scope == string(in.Target) && c.Resource.Name == filepath.Join(string(in.Target), i.Name) {
			return true
		}
	}
	return false
}

// facts is what the decision rests on: what differs, and what is there instead.
func facts(in MirrorInput, items []item) ([]string, error) {
	all := []string{}
	for _, i := range items {
		there := "absent"
		info, err := os.Lstat(filepath.Join(string(in.Target), i.Name))
		switch {
		case err == nil && info.IsDir():
			there = info.Mode().String()
		case err == nil:
			there = info.Mode().String() + " " + info.ModTime().UTC().String()
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		all = append(all, i.Flags+" "+i.Name+": "+there)
	}
	return all, nil
}

func apply(ctx context.Context, c *sdk.Call, in MirrorInput, planned []item) (MirrorOutput, error) {
	out := MirrorOutput{Changed: len(planned)}
	index := map[string]int{}
	for n, i := range planned {
		index[i.Name] = n
	}
	left, err := differences(ctx, in)
	if err != nil || len(left) == 0 { // applied already
		return out, err
	}
	for _, i := range left {
		if _, ok := index[i.Name]; !ok {
			return MirrorOutput{}, &sdk.Error{Reason: sdk.Drifted, Summary: "since the plan was made, " + strings.TrimSuffix(i.Name, "/") + " has come to differ"}
		}
	}
	done := 0
	err = run(ctx, in, false, func(i item) {
		if n, ok := index[i.Name]; ok {
			c.Done(n)
			done++
			c.Progress(sdk.Progress{Current: int64(done), Total: int64(len(planned)), Unit: "items"})
		}
	})
	return out, err
}
