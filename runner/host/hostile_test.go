package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/serve"
)

// TestMain lets the test binary be the plugins that the tests start.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(os.Args[0], "plugin:"); ok {
		beHostile(name)
	}
	os.Exit(m.Run())
}

// source starts this test binary as the plugin of that name.
func source(name string) Source {
	return Source{Name: name, Path: "/proc/self/exe", Args: []string{"plugin:" + name}}
}

type nothing struct{}

type text struct {
	Text string `json:"text,omitempty"`
}

// beHostile serves one kind of trouble.
func beHostile(name string) {
	switch name {
	case "mute": // starts, and never says hello
		fmt.Fprintln(os.Stderr, "I will not talk")
		time.Sleep(time.Hour)
	case "dies":
		fmt.Fprintln(os.Stderr, "no config file, giving up")
		os.Exit(3)
	case "junk":
		fmt.Println("Welcome to junk 1.0!")
		time.Sleep(time.Hour)
	case "patient": // as coppice itself: a write to a closed pipe fails, and does not end it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	case "loud":
		// What panics go-plugin's own log parser, then all kinds of lines.
		fmt.Fprintln(os.Stderr, `{"@message": 1}`)
		fmt.Fprintln(os.Stderr, `{"level":"warn","message":"from zerolog","n":1}`)
		fmt.Fprintln(os.Stderr, `{"@level":"error","@message":"from hclog"}`)
		fmt.Fprintln(os.Stderr, "plain \xff text")
		fmt.Fprintln(os.Stderr, strings.Repeat("long ", 40_000))
	}
	p := &sdk.Plugin{Name: name, Version: "1", Actions: []sdk.Action{
		sdk.Read(sdk.Info{Name: "echo"}, func(_ context.Context, _ *sdk.Call, in text) (sdk.Planned[text, sdk.None], error) {
			return sdk.Planned[text, sdk.None]{Outputs: in}, nil
		}),
		sdk.Read(sdk.Info{Name: "refuse"}, func(context.Context, *sdk.Call, nothing) (p sdk.Planned[text, sdk.None], err error) {
			return p, &sdk.Error{Reason: sdk.NotPermitted, Summary: "not for you", Advice: "be root"}
		}),
		sdk.Read(sdk.Info{Name: "crash"}, func(context.Context, *sdk.Call, nothing) (p sdk.Planned[text, sdk.None], err error) {
			panic("something is nil")
		}),
		sdk.Read(sdk.Info{Name: "hang"}, func(context.Context, *sdk.Call, nothing) (p sdk.Planned[text, sdk.None], err error) {
			select {}
		}),
		sdk.Read(sdk.Info{Name: "flood"}, func(context.Context, *sdk.Call, nothing) (p sdk.Planned[text, sdk.None], err error) {
			for i := range 100_000 {
				fmt.Fprintf(os.Stderr, "line %d\n", i)
			}
			return p, nil
		}),
		sdk.Read(sdk.Info{Name: "large"}, func(context.Context, *sdk.Call, nothing) (sdk.Planned[text, sdk.None], error) {
			return sdk.Planned[text, sdk.None]{Outputs: text{strings.Repeat("x", 20<<20)}}, nil
		}),
		sdk.Read(sdk.Info{Name: "too_large"}, func(context.Context, *sdk.Call, nothing) (sdk.Planned[text, sdk.None], error) {
			return sdk.Planned[text, sdk.None]{Outputs: text{strings.Repeat("x", 80<<20)}}, nil
		}),
		sdk.Read(sdk.Info{Name: "children"}, func(context.Context, *sdk.Call, nothing) (p sdk.Planned[text, sdk.None], err error) {
			c := exec.Command("sleep", "1234567")
			if err := c.Start(); err != nil {
				return p, err
			}
			c = exec.Command("setsid", "sleep", "1234567") // leaves the process group
			return p, c.Start()
		}),
		writer("slow", func(ctx context.Context, c *sdk.Call) error {
			c.Progress(sdk.Progress{Current: 1, Total: 2})
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond) // cleans up
			c.Logf("info", "cleaned up")
			return ctx.Err()
		}),
		writer("stubborn", func(ctx context.Context, c *sdk.Call) error {
			c.Progress(sdk.Progress{})
			select {}
		}),
		writer("crash_in_apply", func(ctx context.Context, c *sdk.Call) error {
			c.Done(0)
			for range 3000 { // the news travels
				if _, err := os.Stat(os.Getenv("SEEN")); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			os.Exit(9)
			return nil
		}),
		writer("overreach", func(ctx context.Context, c *sdk.Call) error {
			c.Done(7)
			return nil
		}),
	}}
	p.Locks = flock{}
	if name == "misnamed" {
		p.Name = "other"
	}
	serve.Run(p)
}

// flock locks files in the folder that the tests name.
type flock struct{}

var flocked = map[string]*os.File{}

func (flock) Lock(_ context.Context, keys []string) error {
	for _, key := range keys {
		f, err := os.OpenFile(os.Getenv("FLOCKS")+"/"+key, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			f.Close()
			return &sdk.Error{Reason: sdk.Busy, Summary: key + " is locked elsewhere"}
		}
		flocked[key] = f
	}
	return nil
}

func (flock) Unlock(_ context.Context, keys []string) error {
	for _, key := range keys {
		flocked[key].Close()
	}
	return nil
}

func writer(name string, do func(context.Context, *sdk.Call) error) sdk.Action {
	return sdk.Write(sdk.Info{Name: name}, sdk.Writer[nothing, text, sdk.None]{
		Plan: func(context.Context, *sdk.Call, nothing) (sdk.Planned[text, sdk.None], error) {
			return sdk.Planned[text, sdk.None]{Changes: []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: "t", Name: "n"}}}}, nil
		},
		Apply: func(ctx context.Context, c *sdk.Call, _ nothing, _ sdk.None) (text, error) {
			return text{}, do(ctx, c)
		},
	})
}
