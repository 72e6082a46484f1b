package expression

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// checked is one expression that has no problems.
type checked struct {
	source
	root    ast.Node
	types   map[ast.Node]Type
	regexps map[ast.Node]*regexp.Regexp
}

// CompileCondition compiles a bare expression that must be true or false. A Program comes without problems, and
// problems come without a Program.
func CompileCondition(text string, scope Scope) (*Program, []Problem) {
	if p := braces(text); p != nil {
		return nil, []Problem{*p}
	}
	program, problems := CompileValue(text, scope)
	if program == nil {
		return nil, problems
	}
	t := program.typ
	if t.IsBool() {
		return program, nil
	}
	expr := program.parts[0].expr
	p := Problem{Code: CodeNotBoolean, Message: "a condition must be true or false, this is " + t.article()}
	p.Offset, p.Length = expr.span(expr.root)
	if t.absent != nil && t.kind == boolKind {
		p.Code, p.Message = t.absent.code, expr.name(expr.root)+" may be absent: "+t.absent.reason
	}
	switch {
	case t.absent != nil && t.kind == boolKind:
		p.Suggestion = "write " + strings.TrimSpace(text) + " ?? false"
	case t.kind == anyKind:
		p.Suggestion = "compare it: … == true"
	case t.kind == stringKind:
		p.Suggestion = `compare it: … == "text"`
	case t.kind == listKind || isObject(t):
		p.Suggestion = "compare its length: len(…) > 0"
	case t.isNumber():
		p.Suggestion = "compare it: … > 0"
	}
	return nil, []Problem{p}
}

// braces is the problem of a condition that is written as a template, with the bare expression as the way out.
func braces(text string) *Problem {
	template, _ := ParseTemplate(text)
	found := slices.ContainsFunc(template.Parts, func(p Part) bool { return p.IsExpr })
	if !found && !strings.Contains(text, opening) {
		return nil
	}
	p := &Problem{Length: utf8.RuneCountInString(text), Code: CodeBraces, Message: "a condition is a bare expression, without ${{ }}"}
	if !found {
		return p
	}
	var bare strings.Builder
	_, single := template.Single()
	for i, part := range template.Parts {
		inner := strings.TrimSpace(part.Expr)
		switch {
		case !part.IsExpr:
			literal := part.Literal
			if i > 0 {
				literal = strings.TrimPrefix(strings.TrimPrefix(literal, `"`), `'`)
			}
			if i+1 < len(template.Parts) {
				literal = strings.TrimSuffix(strings.TrimSuffix(literal, `"`), `'`)
			}
			bare.WriteString(literal)
		case single || !strings.ContainsAny(inner, " \n\t"):
			bare.WriteString(inner)
		default:
			bare.WriteString("(" + inner + ")")
		}
	}
	p.Suggestion = "write " + strings.TrimSpace(bare.String())
	return p
}

// CompileValue compiles a bare expression of any type.
func CompileValue(text string, scope Scope) (*Program, []Problem) {
	program := &Program{units: scope.Units}
	problems := program.add(text, 0, scope)
	if problems != nil {
		return nil, problems
	}
	program.typ = program.parts[0].typ
	return program, nil
}

// CompileTemplate compiles text with ${{ }} parts. Exactly one part and nothing around it keeps its type; anything else
// is a string. The problems of all parts come together, in their order.
func CompileTemplate(text string, scope Scope) (*Program, []Problem) {
	template, problems := ParseTemplate(text)
	if text, ok := template.Constant(); ok && len(problems) == 0 {
		return &Program{units: scope.Units, typ: Enum(text), parts: []part{{literal: text}}}, nil
	}
	program := &Program{units: scope.Units, typ: String}
	_, single := template.Single()
	for _, p := range template.Parts {
		if !p.IsExpr {
			program.parts = append(program.parts, part{literal: p.Literal})
			continue
		}
		if strings.TrimSpace(p.Expr) == "" {
			continue // reported already
		}
		found := program.add(p.Expr, p.Offset+len(opening), scope)
		if found == nil && !single {
			found = program.inText(p)
		}
		problems = append(problems, found...)
	}
	if problems != nil {
		return nil, sortProblems(problems)
	}
	if single {
		program.typ = program.parts[0].typ
	}
	return program, nil
}

// add compiles one expression and appends it.
func (p *Program) add(text string, base int, scope Scope) []Problem {
	root, problem := parse(text)
	if problem != nil {
		problem.Offset += base
		return []Problem{*problem}
	}
	c := newChecker(scope, text, base)
	t := c.whole(root)
	if c.problems != nil {
		return sortProblems(c.problems)
	}
	p.status = p.status || c.status
	for _, ref := range c.refs {
		if !slices.ContainsFunc(p.refs, func(have []string) bool { return slices.Equal(have, ref) }) {
			p.refs = append(p.refs, ref)
		}
	}
	p.parts = append(p.parts, part{typ: t, expr: &checked{source: c.source, root: root, types: c.types, regexps: c.regexps}})
	return nil
}

// inText is the problem of a part, just added, whose value has no form inside text.
func (p *Program) inText(source Part) []Problem {
	last := p.parts[len(p.parts)-1]
	problem := Problem{Offset: source.Offset, Length: source.Length, Code: CodeType}
	inner := strings.TrimSpace(source.Expr)
	switch t := last.typ; {
	case t.kind == nilKind:
		problem.Message = "nil cannot stand inside text"
	case t.absent != nil:
		problem.Code = t.absent.code
		problem.Message = last.expr.name(last.expr.root) + " may be absent: " + t.absent.reason
		problem.Suggestion = "write ${{ " + inner + ` ?? "" }} or another fallback`
	case t.kind == listKind:
		problem.Message = "a list cannot stand inside text"
		problem.Suggestion = "write join(" + inner + `, ", ") or len(` + inner + ")"
	case isObject(t):
		problem.Message = t.article() + " cannot stand inside text"
		problem.Suggestion = "choose one of its members, or write toJSON(" + inner + ")"
	default:
		return nil
	}
	return []Problem{problem}
}
