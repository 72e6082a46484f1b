// Package page takes a page of the documentation apart: into blocks, and the commands in them. See package docs for what each kind of
// block means.
package page

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	File  string
	Lines []string
}

// Read reads a file.
func Read(file string) (*Page, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return &Page{file, strings.Split(string(data), "\n")}, nil
}

// Block is a fenced block.
type Block struct {
	Language   string   // the first word behind the opening fence
	Words      []string // those behind it
	Section    string   // the heading that it stands under, of whatever level; ""
	Start, End int      // the fences, from 0
}

// Option is the value of NAME=VALUE behind the language.
func (b Block) Option(name string) string {
	for _, w := range b.Words {
		if value, ok := strings.CutPrefix(w, name+"="); ok {
			return value
		}
	}
	return ""
}

// Text is what is in a block.
func (p *Page) Text(b Block) string { return strings.Join(p.Lines[b.Start+1:b.End], "\n") + "\n" }

// Blocks are the blocks of a page. An error tells of each that is none.
func (p *Page) Blocks() ([]Block, error) {
	var all []Block
	var problems []error
	wrong := func(line int, what string) {
		problems = append(problems, fmt.Errorf("%s:%d: %s", p.File, line+1, what))
	}
	open, section := -1, ""
	for i, line := range p.Lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") && !strings.HasPrefix(line, "```") {
			wrong(i, "a fence must stand at the start of its line")
		}
		if heading := strings.TrimLeft(line, "#"); open < 0 && heading != line && strings.HasPrefix(heading, " ") {
			section = strings.TrimSpace(heading)
		}
		if !strings.HasPrefix(line, "```") {
			continue
		}
		if open < 0 {
			open = i
			words := strings.Fields(strings.TrimPrefix(line, "```"))
			if len(words) == 0 {
				wrong(i, "say what is in this block")
				words = []string{"text"}
			}
			all = append(all, Block{Language: words[0], Words: words[1:], Section: section, Start: i})
			continue
		}
		all[len(all)-1].End = i
		open = -1
	}
	if open >= 0 {
		wrong(open, "the block has no end")
		all = all[:len(all)-1]
	}
	return all, errors.Join(problems...)
}

// Command is one command of a block, with what the page says it prints.
type Command struct {
	Text   string
	Source []string // its lines on the page
	Output []string
	Blank  []string // empty lines behind the output
	Line   int      // from 0
	Asked  bool     // the next command is echo $?
}

// Commands are those of a console block.
func (p *Page) Commands(b Block) ([]Command, error) {
	var all []Command
	for i := b.Start + 1; i < b.End; i++ {
		line := p.Lines[i]
		prompt := strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "# ")
		if !prompt && len(all) == 0 {
			return nil, fmt.Errorf("%s:%d: output without a command", p.File, i+1)
		}
		if prompt {
			if len(all) > 0 && line[2:] == "echo $?" {
				all[len(all)-1].Asked = true
			}
			all = append(all, Command{Text: line[2:], Source: []string{line}, Line: i})
			continue
		}
		c := &all[len(all)-1]
		if more, ok := strings.CutPrefix(line, "> "); ok && len(c.Output) == 0 {
			c.Text += "\n" + more
			c.Source = append(c.Source, line)
			continue
		}
		c.Output = append(c.Output, line)
	}
	for i := range all {
		c := &all[i]
		for len(c.Output) > 0 && c.Output[len(c.Output)-1] == "" {
			c.Output = c.Output[:len(c.Output)-1]
			c.Blank = append(c.Blank, "")
		}
	}
	return all, nil
}
