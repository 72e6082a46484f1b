package page

import (
	"reflect"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	p := &Page{"x.md", strings.Split("# Title\n\n## One two\n```console\n# ls \\\n> /\netc\n\n$ false\n# echo $?\n1\n```\n```yaml file=a.yaml\n# no heading\n```", "\n")}
	blocks, err := p.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{{"console", []string{}, "One two", 3, 11}, {"yaml", []string{"file=a.yaml"}, "One two", 12, 14}}
	if !reflect.DeepEqual(blocks, want) {
		t.Errorf("%+v", blocks)
	}
	if blocks[1].Option("file") != "a.yaml" || blocks[1].Option("inputs") != "" || p.Text(blocks[1]) != "# no heading\n" {
		t.Errorf("%+v", blocks[1])
	}
	commands, err := p.Commands(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(commands, []Command{
		{Text: "ls \\\n/", Source: []string{"# ls \\", "> /"}, Output: []string{"etc"}, Blank: []string{""}, Line: 4},
		{Text: "false", Source: []string{"$ false"}, Output: nil, Line: 8, Asked: true},
		{Text: "echo $?", Source: []string{"# echo $?"}, Output: []string{"1"}, Line: 9},
	}) {
		t.Errorf("%+v", commands)
	}
}

func TestPageMistakes(t *testing.T) {
	p := &Page{"x.md", strings.Split("```\n```\n ```sh\n```console\nout", "\n")}
	blocks, err := p.Blocks()
	if want := "x.md:1: say what is in this block\nx.md:3: a fence must stand at the start of its line\nx.md:4: the block has no end"; err == nil || err.Error() != want || len(blocks) != 1 {
		t.Errorf("%v\n%v", blocks, err)
	}
	if _, err := p.Commands(Block{Start: 3, End: 5}); err == nil || err.Error() != "x.md:5: output without a command" {
		t.Error(err)
	}
}
