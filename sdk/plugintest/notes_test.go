package plugintest_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// The plugin under test keeps notes in files. With a mode it breaks one promise.

type writeIn struct {
	Path  sdk.Path `json:"path" doc:"The file."`
	Text  string   `json:"text" min:"1" doc:"What shall be in it."`
	Limit int64    `json:"limit" default:"0" doc:"How many bytes it may have; 0 is any number."`
	Kind  string   `json:"kind" enum:"plain|fancy" default:"plain" doc:"What the note is like."`
	Token string   `json:"token,omitempty" secret:"true" doc:"Whose note it is."`
}

type writeOut struct {
	Bytes   int       `json:"bytes" doc:"How long the note is."`
	Limit   int64     `json:"limit" doc:"How long it may be."`
	Written time.Time `json:"written" doc:"When it was written."`
}

type note struct {
	There bool   `json:"there"`
	Text  string `json:"text"`
}

func (n note) json() json.RawMessage {
	data, err := json.Marshal(map[string]string{"text": n.Text})
	if err != nil {
		panic(err)
	}
	return data
}

func look(path string) (note, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, nil
	}
	return note{true, string(data)}, err
}

// laid is what will be there once the prior changes are made.
func laid(n note, path string, prior []sdk.Change) note {
	for _, c := range prior {
		if c.Resource.Type == "notes.note" && c.Resource.Name == path {
			var after note
			_ = json.Unmarshal(c.After, &after)
			n = note{c.Kind != sdk.Delete, after.Text}
		}
	}
	return n
}

var memory sync.Map // of a plugin that should have none

var shared = map[string]int{} // of a plugin with a data race

func newNotes(mode string) *sdk.Plugin {
	p := &sdk.Plugin{Name: "notes", Version: "1.0.0", Summary: "notes in files", Actions: []sdk.Action{
		writeAction(mode), stampAction(mode), waitAction(mode), lookAction(mode),
	}}
	switch mode {
	case "bad name":
		p.Name = "Notes!"
	case "no version":
		p.Version = ""
	case "no words":
		p.Summary = "Notes in files."
	}
	return p
}

func writeAction(mode string) sdk.Action {
	info := sdk.Info{Name: "write", Summary: "Write a note", Description: "The file has that text then.", Converges: true, Touches: []string{"notes.note"}}
	return sdk.Write(info, sdk.Writer[writeIn, writeOut, writeIn]{
		Locks: func(_ context.Context, _ *sdk.Call, in writeIn) ([]sdk.Lock, error) {
			key := "notes:" + string(in.Path)
			if mode == "unstable locks" {
				key += rand.Text()
			}
			return []sdk.Lock{{Key: key, Title: string(in.Path)}}, nil
		},
		Plan: func(_ context.Context, c *sdk.Call, in writeIn) (p sdk.Planned[writeOut, writeIn], err error) {
			path := string(in.Path)
			switch mode {
			case "plan writes":
				err = os.WriteFile(path, []byte("planned"), 0o600)
			case "plan leaves a file":
				err = os.WriteFile("left.tmp", nil, 0o600)
			case "prints":
				fmt.Println("planning")
			case "floods":
				for i := range 5000 {
					fmt.Fprintln(os.Stderr, "line", i)
				}
			case "dies":
				panic("something is nil")
			case "tells the secret":
				fmt.Fprintln(os.Stderr, "using", in.Token)
			case "races":
				shared[path]++
				time.Sleep(20 * time.Millisecond) // what a call does next may come before what another does
			case "starts a child":
				err = exec.Command("setsid", "sleep", "1234").Start()
			}
			if err != nil {
				return p, err
			}
			n, err := look(path)
			if err != nil {
				return p, err
			}
			if mode != "ignores prior" {
				n = laid(n, path, c.Prior)
			}
			p.Outputs = writeOut{Bytes: len(in.Text), Limit: in.Limit}
			p.Unknown = []string{"/written"}
			p.Private = in
			p.Facts = map[string]any{"there": n.There, "same": n.Text == in.Text, "path": path}
			switch mode {
			case "rounds":
				p.Outputs.Limit = int64(float64(in.Limit))
			case "unknown nowhere":
				p.Unknown = append(p.Unknown, "/sometime")
			case "blind":
				p.Facts = "always"
			case "wrong prediction":
				p.Outputs.Bytes++
			case "mixes up":
				if len(c.Prior) >= 10 {
					p.Summary = fmt.Sprintf("%d others", len(c.Prior))
				}
			}
			kind := sdk.Create
			if n.There {
				kind = sdk.Update
			}
			change := sdk.Change{Kind: kind, Resource: sdk.Resource{Type: "notes.note", Name: path}, Summary: "a note", After: note{true, in.Text}.json()}
			if n.There {
				change.Before = n.json()
			}
			switch mode {
			case "random":
				change.Summary = rand.Text()
			case "secret in a change":
				change.Reason = "for " + in.Token
			case "touches":
				change.Resource.Type = "notes.other"
			case "deletes":
				change.Kind, change.After = sdk.Delete, nil
			}
			if mode != "hides" && (!n.There || n.Text != in.Text) || mode == "never content" {
				p.Changes = []sdk.Change{change}
			}
			if mode == "in memory" {
				memory.Store(path, in.Text)
				p.Private.Text = ""
			}
			return p, nil
		},
		Apply: func(_ context.Context, c *sdk.Call, in writeIn, private writeIn) (out writeOut, err error) {
			path := string(private.Path)
			n, err := look(path)
			if err != nil {
				return out, err
			}
			text := private.Text
			if mode == "in memory" {
				remembered, ok := memory.Load(path)
				if !ok {
					return out, errors.New("nothing was planned")
				}
				text = remembered.(string)
			}
			if n.Text != text || mode == "repeats" {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					return out, err
				}
				if mode != "silent" && mode != "hides" {
					c.Done(0)
				}
				if mode == "reports twice" {
					c.Done(0)
				}
			}
			if mode == "log tells the secret" {
				c.Logf("info", "for %s", in.Token)
			}
			return writeOut{Bytes: len(text), Limit: private.Limit, Written: c.Instant}, err
		},
	})
}

type stampIn struct {
	Folder sdk.Path `json:"folder" doc:"Where the note goes."`
}

type stampOut struct {
	Path sdk.Path `json:"path" doc:"The note."`
}

// stampAction makes something new each time.
func stampAction(mode string) sdk.Action {
	info := sdk.Info{Name: "stamp", Summary: "Make a new note", Description: "Called by the instant of the run."}
	if mode == "claims to converge" {
		info.Converges = true
	}
	return sdk.Write(info, sdk.Writer[stampIn, stampOut, string]{
		Plan: func(_ context.Context, c *sdk.Call, in stampIn) (p sdk.Planned[stampOut, string], err error) {
			p.Private = filepath.Join(string(in.Folder), c.Instant.Format("20060102T150405.000000000Z"))
			p.Outputs.Path = sdk.Path(p.Private)
			n, err := look(p.Private)
			p.Facts = n.There
			if !n.There {
				p.Changes = []sdk.Change{{Kind: sdk.Create, Resource: sdk.Resource{Type: "notes.note", Name: p.Private}}}
			}
			return p, err
		},
		Apply: func(_ context.Context, c *sdk.Call, _ stampIn, path string) (out stampOut, err error) {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if mode == "once more" && errors.Is(err, fs.ErrExist) {
				f, err = os.OpenFile(path+"-again", os.O_CREATE|os.O_WRONLY, 0o600)
			}
			if errors.Is(err, fs.ErrExist) {
				return stampOut{sdk.Path(path)}, nil
			}
			if err != nil {
				return out, err
			}
			c.Done(0)
			return stampOut{sdk.Path(path)}, f.Close()
		},
	})
}

type none struct{}

// waitAction works until it is stopped.
func waitAction(mode string) sdk.Action {
	return sdk.Write(sdk.Info{Name: "wait", Summary: "Wait", Description: "Until it is stopped."}, sdk.Writer[none, none, sdk.None]{
		Plan: func(context.Context, *sdk.Call, none) (sdk.Planned[none, sdk.None], error) {
			return sdk.Planned[none, sdk.None]{Changes: []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: "notes.wait", Name: "wait"}}}}, nil
		},
		Apply: func(ctx context.Context, c *sdk.Call, _ none, _ sdk.None) (none, error) {
			c.Progress(sdk.Progress{Message: "waiting"})
			if mode == "does not stop" {
				select {}
			}
			<-ctx.Done()
			if mode == "pretends" {
				return none{}, nil
			}
			return none{}, ctx.Err()
		},
	})
}

type lookIn struct {
	Path sdk.Path `json:"path" doc:"The file."`
}

type lookOut struct {
	Text string `json:"text" doc:"What is in it."`
}

func lookAction(mode string) sdk.Action {
	info := sdk.Info{Name: "look", Summary: "Read a note", Description: "An absent one is empty."}
	if mode == "no words" {
		info.Description = ""
	}
	return sdk.Read(info, func(_ context.Context, c *sdk.Call, in lookIn) (p sdk.Planned[lookOut, sdk.None], err error) {
		n, err := look(string(in.Path))
		p.Outputs.Text = strings.TrimSpace(laid(n, string(in.Path), c.Prior).Text)
		if mode == "reads and changes" {
			p.Changes = []sdk.Change{{Kind: sdk.Update, Resource: sdk.Resource{Type: "notes.note", Name: string(in.Path)}}}
		}
		return p, err
	})
}
