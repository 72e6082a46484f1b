package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// caseText is a case as it is written in a file.
type caseText struct {
	Name    string          `json:"name"`
	Action  string          `json:"action"`
	Inputs  json.RawMessage `json:"inputs"`
	Prepare [][]string      `json:"prepare"`
	Watch   []string        `json:"watch"`
	State   []string        `json:"state"`
	Drift   [][]string      `json:"drift"`
	Prior   []sdk.Change    `json:"prior"`
	Long    bool            `json:"long"`
	Varies  []string        `json:"varies"`
}

// placeholder stands for the folder of the cases, everywhere in their file.
const placeholder = "{dir}"

// ParseCases reads cases from JSON, {"cases": […]}. Each has the fields of Case; prepare and drift are lists of commands, state is
// one command, whose output is the state; a command is a list of words. dir is an existing folder: {dir} stands for it, commands
// run in it, and before each Prepare it is made empty. It is watched too.
func ParseCases(data []byte, dir string) ([]Case, error) {
	quoted, err := json.Marshal(dir)
	if err != nil {
		return nil, err
	}
	data = bytes.ReplaceAll(data, []byte(placeholder), bytes.Trim(quoted, `"`))
	var file struct {
		Cases []caseText `json:"cases"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	var all []Case
	for i, text := range file.Cases {
		if text.Action == "" {
			return nil, fmt.Errorf("case %d has no action", i+1)
		}
		c := Case{Name: text.Name, Action: text.Action, Watch: append(text.Watch, dir), Prior: text.Prior, Long: text.Long, Varies: text.Varies}
		if len(text.Inputs) > 0 {
			c.Inputs = text.Inputs
		}
		c.Prepare = func(ctx context.Context) error {
			if err := empty(dir); err != nil {
				return err
			}
			return commands(ctx, dir, text.Prepare)
		}
		if len(text.Drift) > 0 {
			c.Drift = func(ctx context.Context) error { return commands(ctx, dir, text.Drift) }
		}
		if len(text.State) > 0 {
			c.State = func(ctx context.Context) (string, error) { return command(ctx, dir, text.State) }
		}
		all = append(all, c)
	}
	return all, nil
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func commands(ctx context.Context, dir string, all [][]string) error {
	for _, words := range all {
		if _, err := command(ctx, dir, words); err != nil {
			return err
		}
	}
	return nil
}

func command(ctx context.Context, dir string, words []string) (string, error) {
	if len(words) == 0 {
		return "", errors.New("a command has no words")
	}
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Dir = dir
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}
