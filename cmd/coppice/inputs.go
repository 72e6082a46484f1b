package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
)

// inputFlags are the flags that give a playbook its inputs.
type inputFlags struct {
	values []string
	files  []string
}

func (f *inputFlags) register(c *cobra.Command) {
	c.Flags().StringArrayVarP(&f.values, "input", "i", nil, "an input: `name=value`, or name=@file to read it from a file")
	c.Flags().StringArrayVar(&f.files, "inputs", nil, "a YAML `file` of inputs")
}

// resolve gathers the inputs of a run, later ones win: defaults of the playbook,
// CONFIG/inputs/NAME.yaml, --inputs files, -i flags. Mistakes are printed.
func (a *app) resolve(p *check.Program, f inputFlags) (map[string]any, error) {
	values, _, err := a.resolveGiven(p, f)
	return values, err
}

// resolveGiven is resolve that also says what somebody has given, in the order in which it was found.
func (a *app) resolveGiven(p *check.Program, f inputFlags) (map[string]any, []check.Given, error) {
	var given []check.Given
	// A file of inputs is not shown in messages when it can hold a secret, wherever the
	// mistake in it is.
	secret := map[string]bool{}
	for _, in := range p.Inputs {
		if in.Decl.Secret {
			secret[in.Decl.Name] = true
		}
	}
	var list diagnostic.List
	sources := []*diagnostic.Source{p.Playbook.Source}
	read := func(file string, mustExist bool) error {
		data, err := readBounded(file)
		if errors.Is(err, fs.ErrNotExist) && !mustExist {
			return nil
		}
		if err != nil {
			return unreadable("inputs", err)
		}
		values, mistakes := playbook.ParseInputs(file, data)
		if len(secret) == 0 {
			sources = append(sources, diagnostic.NewSource(file, data))
		}
		list = append(list, mistakes...)
		for _, e := range values.Entries {
			given = append(given, check.Given{Name: e.Key, Pos: e.KeyPos, Value: e.Value, Origin: file})
		}
		return nil
	}
	if err := read(filepath.Join(a.configs, "inputs", p.Playbook.Name+".yaml"), false); err != nil {
		return nil, nil, err
	}
	for _, file := range f.files {
		if err := read(file, true); err != nil {
			return nil, nil, err
		}
	}
	for _, flag := range f.values {
		name, value, ok := strings.Cut(flag, "=")
		if !ok || name == "" {
			return nil, nil, usage("-i %q is not name=value", flag)
		}
		file, fromFile := strings.CutPrefix(value, "@")
		if fromFile && strings.HasPrefix(file, "@") { // a text that begins with @, such as the name of a subvolume
			value, fromFile = file, false
		}
		switch {
		case fromFile:
			data, err := readBounded(file)
			if err != nil {
				return nil, nil, unreadable("input "+name, err)
			}
			value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		case secret[name]:
			return nil, nil, exitError{code: exitUsage,
				err:    fmt.Errorf("input %s is secret: on the command line everybody on this machine could read it", name),
				advice: fmt.Sprintf("give it from a file: -i %s=@/path/to/file", name)}
		}
		parsed, mistakes := flagValue(p, name, value)
		for i := range mistakes {
			mistakes[i].File, mistakes[i].Pos = "-i "+name, diagnostic.Position{}
		}
		list = append(list, mistakes...)
		given = append(given, check.Given{Name: name, Value: parsed, Origin: "-i"})
	}
	values, mistakes := p.Resolve(given)
	list = append(list, mistakes...)
	a.diagnose(list, sources...)
	if list.HasErrors() {
		return nil, nil, exit(exitInvalid, nil)
	}
	return values, given, nil
}

// flagValue is the text of a flag as the input's type wants it: a list is
// written a,b,c and a map k=v,k=v, or either as YAML in one line: [a, "b,c"].
func flagValue(p *check.Program, name, text string) (playbook.Value, diagnostic.List) {
	for _, in := range p.Inputs {
		if in.Decl.Name != name {
			continue
		}
		isList, isMap := in.Decl.Type == playbook.ListType, in.Decl.Type == playbook.MapType
		switch {
		case isList && strings.HasPrefix(text, "["), isMap && strings.HasPrefix(text, "{"):
			m, mistakes := playbook.ParseInputs("-i "+name, []byte("value: "+text))
			if e, ok := m.Get("value"); ok {
				return e.Value, mistakes
			}
			return playbook.Text(text), mistakes
		case isList:
			list := playbook.List{}
			for _, part := range split(text) {
				list.Items = append(list.Items, playbook.Text(part))
			}
			return list, nil
		case isMap:
			m := playbook.Map{}
			var mistakes diagnostic.List
			for _, part := range split(text) {
				key, value, ok := strings.Cut(part, "=")
				if !ok {
					mistakes.Add(diagnostic.Diagnostic{Code: diagnostic.WrongType, Message: fmt.Sprintf("%q is not key=value", part)})
				}
				m.Entries = append(m.Entries, playbook.Entry{Key: key, Value: playbook.Text(value)})
			}
			return m, mistakes
		}
	}
	return playbook.Text(text), nil
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
