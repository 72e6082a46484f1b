package sysctl

import (
	"context"
	"path/filepath"

	"github.com/hbohlen/coppice/sdk"
)

// removePrivate is what Apply removes.
type removePrivate struct {
	Path   string
	Before content
}

func removeAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "remove",
		Summary: "Remove a file that sets parameters at boot",
		Description: "Removes a file that sysctl.set has written; one that somebody else has written is refused. The running values stay as " +
			"they are until the next boot.",
		Effect:    sdk.Destroys,
		Converges: true,
		Touches:   []string{fileType},
	}, sdk.Writer[RemoveInput, RemoveOutput, removePrivate]{
		Locks: func(context.Context, *sdk.Call, RemoveInput) ([]sdk.Lock, error) { return locks(), nil },
		Plan: func(_ context.Context, c *sdk.Call, in RemoveInput) (sdk.Planned[RemoveOutput, removePrivate], error) {
			path := filepath.Join(h.folders[0], in.DropIn)
			p := sdk.Planned[RemoveOutput, removePrivate]{Outputs: RemoveOutput{File: path}}
			is, err := readFile(path)
			if err != nil {
				return p, err
			}
			is = layFile(is, path, c.Prior)
			p.Facts, p.Private = is, removePrivate{Path: path, Before: is}
			resource := sdk.Resource{Type: fileType, Name: path}
			if !is.There {
				p.Kept = []sdk.Kept{{Resource: resource, Reason: "is not there"}}
				return p, nil
			}
			p.Changes = []sdk.Change{{Kind: sdk.Delete, Resource: resource, Before: object(attributes(parse(is.Text)))}}
			return p, nil
		},
		Apply: func(_ context.Context, c *sdk.Call, _ RemoveInput, private removePrivate) (RemoveOutput, error) {
			changed, err := removeFile(private.Path, private.Before)
			if changed {
				c.Done(0)
			}
			return RemoveOutput{File: private.Path}, err
		},
	})
}
