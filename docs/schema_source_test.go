package docs

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// object is a JSON object whose members stay in order.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		var value bytes.Buffer
		e := json.NewEncoder(&value)
		e.SetEscapeHTML(false)
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(bytes.TrimSpace(value.Bytes()))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// goPackage is the source of a package, without its tests.
type goPackage struct {
	dir    string
	types  map[string]*ast.TypeSpec
	in     map[*ast.TypeSpec]*ast.File
	values map[string][]string // the constants of a type, as "Status" or "engine.Status", in order
	custom map[string]bool     // types that write themselves as JSON
}

// source makes JSON Schemas of Go types. Structs become definitions, by their name.
type source struct {
	t        *testing.T
	packages map[string]*goPackage
	defs     object
	seen     map[string]string // definition → where from
}

func newSource(t *testing.T) *source {
	return &source{t: t, packages: map[string]*goPackage{}, seen: map[string]string{}}
}

func (g *source) load(dir string) *goPackage {
	g.t.Helper()
	if p := g.packages[dir]; p != nil {
		return p
	}
	p := &goPackage{dir: dir, types: map[string]*ast.TypeSpec{}, in: map[*ast.TypeSpec]*ast.File{}, values: map[string][]string{}, custom: map[string]bool{}}
	g.packages[dir] = p
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		g.t.Fatalf("%s: no source, %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			g.t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				p.types[n.Name.Name], p.in[n] = n, file
			case *ast.FuncDecl:
				if n.Recv != nil && (n.Name.Name == "MarshalJSON" || n.Name.Name == "MarshalText") {
					p.custom[nameOf(n.Recv.List[0].Type)] = true
				}
			case *ast.ValueSpec:
				if n.Type != nil && len(n.Values) == 1 {
					if value, ok := n.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
						text, _ := strconv.Unquote(value.Value)
						p.values[nameOf(n.Type)] = append(p.values[nameOf(n.Type)], text)
					}
				}
			}
			return true
		})
	}
	return p
}

// nameOf is "Status" or "engine.Status".
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}

// imported is the folder of an imported package of ours; "" if it is none.
func (g *source) imported(file *ast.File, name string) string {
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if rest, ours := strings.CutPrefix(path, "github.com/hbohlen/coppice/"); ours && filepath.Base(path) == name {
			return "../" + rest
		}
	}
	return ""
}

// writtenByHand are the schemas of types that write themselves as JSON.
var writtenByHand = map[string]object{
	"Severity": {{"type", "string"}, {"enum", []string{"error", "warning"}}},
}

var (
	integer = object{{"type", "integer"}}
	text    = object{{"type", "string"}}
)

// typeOf is the schema of a Go type as encoding/json writes it.
func (g *source) typeOf(p *goPackage, file *ast.File, e ast.Expr) any {
	switch e := e.(type) {
	case *ast.StarExpr:
		return g.typeOf(p, file, e.X)
	case *ast.ArrayType:
		return object{{"type", "array"}, {"items", g.typeOf(p, file, e.Elt)}}
	case *ast.MapType:
		o := object{{"type", "object"}}
		if keys, ok := g.typeOf(p, file, e.Key).(object); ok && keys[len(keys)-1].key == "enum" {
			o = append(o, member{"propertyNames", keys})
		}
		return append(o, member{"additionalProperties", g.typeOf(p, file, e.Value)})
	case *ast.SelectorExpr:
		switch nameOf(e) {
		case "time.Time":
			return object{{"type", "string"}, {"format", "date-time"}}
		case "time.Duration":
			return integer
		case "json.RawMessage":
			return object{}
		case "schema.Schema":
			return object{{"type", "object"}, {"description", "a JSON Schema, 2020-12"}}
		}
		dir := g.imported(file, nameOf(e.X))
		if dir == "" {
			g.t.Fatalf("%s: nobody knows the schema of %s", p.dir, nameOf(e))
		}
		return g.named(g.load(dir), e.Sel.Name)
	case *ast.Ident:
		switch {
		case e.Name == "string":
			return text
		case e.Name == "bool":
			return object{{"type", "boolean"}}
		case e.Name == "any":
			return object{}
		case strings.HasPrefix(e.Name, "int") || strings.HasPrefix(e.Name, "uint"):
			return integer
		case e.Name == "float64":
			return object{{"type", "number"}}
		}
		return g.named(p, e.Name)
	}
	g.t.Fatalf("%s: nobody knows the schema of a %T", p.dir, e)
	return nil
}

// named is the schema of a type with a name: an enumeration, or a reference to the definition of a struct.
func (g *source) named(p *goPackage, name string) any {
	spec := p.types[name]
	if spec == nil {
		g.t.Fatalf("%s has no type %s", p.dir, name)
	}
	if p.custom[name] {
		schema, ok := writtenByHand[name]
		if !ok {
			g.t.Fatalf("%s: %s writes itself as JSON, and nobody says how", p.dir, name)
		}
		return schema
	}
	if _, isStruct := spec.Type.(*ast.StructType); isStruct {
		if from, ok := g.seen[name]; !ok {
			g.seen[name] = p.dir
			at := len(g.defs)
			g.defs = append(g.defs, member{name, nil})
			g.defs[at].value = closed(g.fields(p, name))
		} else if from != p.dir {
			g.t.Fatalf("two structs of the name %s: in %s and %s", name, from, p.dir)
		}
		return object{{"$ref", "#/$defs/" + name}}
	}
	if values := p.values[name]; len(values) > 0 {
		return object{{"type", "string"}, {"enum", values}}
	}
	return g.typeOf(p, p.in[spec], spec.Type)
}

// property is a field of an object.
type property struct {
	name     string
	schema   any
	optional bool
}

// closed is the schema of an object. Whoever reads JSON must ignore what he does not know, so it is open; the tests close it.
func closed(all []property) object {
	var properties object
	required := []string{}
	for _, p := range all {
		properties = append(properties, member{p.name, p.schema})
		if !p.optional {
			required = append(required, p.name)
		}
	}
	o := object{{"type", "object"}, {"properties", properties}}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return o
}

var markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// fields are those of a struct, with those of the structs that are embedded in it. An outer one hides an inner one of
// the same name; one that is there only to hide is left out.
func (g *source) fields(p *goPackage, name string) []property {
	spec := p.types[name]
	if spec == nil {
		g.t.Fatalf("%s has no type %s", p.dir, name)
	}
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		g.t.Fatalf("%s: %s is no struct", p.dir, name)
	}
	file := p.in[spec]
	hidden := map[string]bool{}
	for _, f := range structure.Fields.List {
		if key, _ := jsonName(f); key != "" {
			hidden[key] = true
		}
	}
	var all []property
	for _, f := range structure.Fields.List {
		if len(f.Names) == 0 {
			inner, dir := p, ""
			if s, ok := f.Type.(*ast.SelectorExpr); ok {
				if dir = g.imported(file, nameOf(s.X)); dir != "" {
					inner = g.load(dir)
				}
			}
			for _, i := range g.fields(inner, nameOf(f.Type)[strings.LastIndex(nameOf(f.Type), ".")+1:]) {
				if !hidden[i.name] {
					all = append(all, i)
				}
			}
			continue
		}
		key, optional := jsonName(f)
		if star, ok := f.Type.(*ast.StarExpr); key == "" || ok && isEmptyStruct(star.X) {
			continue
		}
		schema := g.typeOf(p, file, f.Type)
		if meaning := markdownLink.ReplaceAllString(meaningOf(name, key, f), "$1"); meaning != "" {
			if o, ok := schema.(object); ok {
				schema = append(object{{"description", meaning}}, slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.key == "description" })...)
			}
		}
		all = append(all, property{key, schema, optional})
	}
	return all
}

// jsonName is a field's name in JSON, and whether it may be absent; "" for one that is never written.
func jsonName(f *ast.Field) (name string, optional bool) {
	if f.Tag == nil {
		return "", false
	}
	tag, _ := strconv.Unquote(f.Tag.Value)
	name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if name == "-" {
		return "", false
	}
	return name, strings.Contains(options, "omit")
}

func isEmptyStruct(e ast.Expr) bool {
	s, ok := e.(*ast.StructType)
	return ok && len(s.Fields.List) == 0
}

// indented is JSON as it stands in a file.
func indented(t *testing.T, v any) []byte {
	t.Helper()
	var plain, pretty bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&pretty, plain.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return pretty.Bytes()
}

// compare compares a generated file with what it is made from, or writes it.
func compare(t *testing.T, file string, fresh []byte) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err == nil && bytes.Equal(old, fresh) {
		return
	}
	if !*update {
		t.Errorf("%s: not what it is made from any more: go generate ./docs", file)
		return
	}
	if err := os.WriteFile(file, fresh, 0o644); err != nil {
		t.Fatal(err)
	}
}
