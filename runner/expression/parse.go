package expression

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Limits of one expression.
const (
	maxBytes = 4 << 10
	maxNodes = 300
)

// parse turns the text of one expression into a tree. Offsets of the problem count from the start of text.
func parse(text string) (root ast.Node, problem *Problem) {
	length := utf8.RuneCountInString(text)
	if len(text) > maxBytes {
		return nil, &Problem{Length: length, Code: CodeLimit,
			Message:    fmt.Sprintf("the expression has %d bytes, the limit is %d", len(text), maxBytes),
			Suggestion: "move parts of it into vars"}
	}
	if !utf8.ValidString(text) {
		return nil, &Problem{Length: length, Code: CodeSyntax, Message: "the expression is not valid UTF-8"}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Problem{Length: length, Code: CodeSyntax, Message: "the expression is empty"}
	}
	defer func() {
		if recover() != nil { // a defect of the parser must not end the program that reads a playbook
			root, problem = nil, &Problem{Length: length, Code: CodeSyntax, Message: "the expression cannot be parsed"}
		}
	}()
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	tree, err := parser.ParseWithConfig(text, config)
	if err == nil {
		return tree.Node, nil
	}
	p := Problem{Length: length, Code: CodeSyntax, Message: "the expression cannot be parsed"}
	var where *file.Error
	if errors.As(err, &where) {
		p.Offset = min(max(where.From, 0), length)
		p.Length = min(max(where.To-where.From, 1), length-p.Offset)
		explain(&p, where.Message, []rune(text))
	}
	return nil, &p
}

var token = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^unexpected token (\w+)(?:\((".*")\))?$`)
})

// explain says a parser's message in the words of a playbook author.
func explain(p *Problem, message string, text []rune) {
	match := token().FindStringSubmatch(message)
	switch {
	case strings.Contains(message, "maximum allowed nodes"):
		p.Code = CodeLimit
		p.Message = fmt.Sprintf("the expression has more than %d parts", maxNodes)
		p.Suggestion = "move parts of it into vars"
	case match != nil && match[1] == "EOF", strings.HasPrefix(message, "unexpected end"):
		p.Message = "the expression ends too early"
	case match != nil:
		explainToken(p, match[1], string(text[p.Offset:p.Offset+p.Length]))
	case strings.HasPrefix(message, "unrecognized character"):
		p.Message = fmt.Sprintf("unexpected %q", string(text[p.Offset:p.Offset+p.Length]))
	case strings.HasPrefix(message, "literal not terminated"):
		p.Message = "the string is not closed"
	case strings.HasPrefix(message, "unclosed comment"):
		p.Message = "the comment is not closed"
	case strings.Contains(message, "unescape"), strings.HasPrefix(message, "invalid char escape"):
		p.Message = `unknown escape in the string`
		p.Suggestion = `write \\ for a backslash, or use a string in backticks`
	case strings.HasPrefix(message, "bad number"), strings.HasPrefix(message, "invalid"), strings.HasSuffix(message, "is too large"):
		p.Message = "the number cannot be read"
		p.Suggestion = `durations and sizes are written duration("30d") and size("1GiB")`
	case strings.Contains(message, "coalesce"):
		p.Message = "?? stands beside another operator without parentheses"
		p.Suggestion = "write (a ?? b) in parentheses"
	case strings.HasPrefix(message, "a map key"):
		p.Message = "a map key must be a name, a string or a number"
	case strings.HasPrefix(message, "expected at least"):
		p.Message = "an argument is missing"
	case strings.HasPrefix(message, "expected name"):
		p.Message = "a name must follow the point"
	case strings.HasPrefix(message, "wrap predicate"):
		p.Message = "an expression with ; inside a function must stand in { }"
	}
}

var operatorHints = map[string]string{
	"=":  "use == to compare",
	"&":  "use && for and",
	"<>": "use != for not equal",
	"?":  "a ? b : c needs all three",
	":":  "a map that a function makes of each element stands in parentheses: map(list, ({name: #}))",
}

func explainToken(p *Problem, kind, found string) {
	p.Message = fmt.Sprintf("unexpected %s", quoteToken(kind, found))
	p.Suggestion = operatorHints[found]
}

func quoteToken(kind, found string) string {
	switch kind {
	case "String", "Bytes":
		return "string " + found
	case "Number":
		return "number " + found
	}
	return fmt.Sprintf("%q", found)
}
