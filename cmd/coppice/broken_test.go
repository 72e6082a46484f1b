package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// brokenEnv makes coppice have the plugin broken, in the sandbox too.
const brokenEnv = "COPPICE_TEST_BROKEN"

type brokenIn struct {
	Filesystem string `json:"filesystem"`
	From       string `json:"from"`
	To         string `json:"to"`
}

// broken is a plugin whose action does what it says, and does not see to it that it survives a power cut.
func broken() *sdk.Plugin {
	open := func(ctx context.Context, in brokenIn) (*kernel.Filesystem, string, error) {
		f, err := kernel.Open(ctx, in.Filesystem)
		if err != nil {
			return nil, "", err
		}
		return f, fmt.Sprintf("/proc/self/fd/%d/", f.Fd()), nil
	}
	return &sdk.Plugin{Name: "broken", Summary: "what does not survive a power cut", Actions: []sdk.Action{
		sdk.Write(sdk.Info{Name: "rename", Summary: "Rename a subvolume, and leave it at that", Converges: true, Touches: []string{volume.ResourceType}},
			sdk.Writer[brokenIn, struct{}, sdk.None]{
				Plan: func(ctx context.Context, _ *sdk.Call, in brokenIn) (p sdk.Planned[struct{}, sdk.None], err error) {
					f, _, err := open(ctx, in)
					if err != nil {
						return p, err
					}
					defer f.Close()
					s, there, err := f.AtPath(in.From)
					if err != nil || !there {
						return p, nil
					}
					p.Changes = []sdk.Change{{Kind: sdk.Update, Summary: "renamed", After: json.RawMessage(`{}`),
						Resource: sdk.Resource{Type: volume.ResourceType, Scope: f.UUID().String(), Name: in.To, ID: s.UUID.String()}}}
					return p, nil
				},
				Apply: func(ctx context.Context, c *sdk.Call, in brokenIn, _ sdk.None) (out struct{}, err error) {
					f, top, err := open(ctx, in)
					if err != nil {
						return out, err
					}
					defer f.Close()
					if err := os.Rename(top+in.From, top+in.To); err != nil {
						return out, err
					}
					c.Done(0)
					return out, nil
				},
			}),
	}}
}
