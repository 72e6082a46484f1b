package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/schema"
)

// Place is where an input of the step stands in the playbook, as file:line:col.
// path is a JSON pointer into the inputs. Where a part of the value was computed
// by an expression, it is the expression's place; "" when nothing of it is written
// there, because it has its default.
func (s *Step) Place(path string) string {
	var value playbook.Value = s.Source.With
	for i, token := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		switch v := value.(type) {
		case playbook.Map:
			e, ok := v.Get(schema.Unescape(token))
			if !ok {
				if i == 0 {
					return ""
				}
				break
			}
			value = e.Value
		case playbook.List:
			if n, err := strconv.Atoi(token); err == nil && n >= 0 && n < len(v.Items) {
				value = v.Items[n]
			}
		}
	}
	pos := value.Position()
	if !pos.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", s.File, pos.Line, pos.Column)
}
