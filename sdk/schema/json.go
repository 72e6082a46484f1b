package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// node is Schema without its methods, so that encoding does not recurse.
type node Schema

// MarshalJSON writes the JSON Schema form: a map has additionalProperties with
// the schema of its values, an object with properties refuses others.
func (s Schema) MarshalJSON() ([]byte, error) {
	out := struct {
		node
		Additional any `json:"additionalProperties,omitempty"`
	}{node: node(s)}
	if s.Type == Object {
		if s.Values != nil {
			out.Additional = s.Values
		} else {
			out.Additional = false
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. Unknown keywords are ignored, as
// JSON Schema asks for.
func (s *Schema) UnmarshalJSON(data []byte) error {
	in := struct {
		*node
		Additional json.RawMessage `json:"additionalProperties"`
	}{node: (*node)(s)}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	switch string(bytes.TrimSpace(in.Additional)) {
	case "", "true", "false", "null":
		return nil
	}
	s.Values = &Schema{}
	return json.Unmarshal(in.Additional, s.Values)
}

// MarshalJSON writes an object with the members in order.
func (p Properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, prop := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(prop.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(prop.Schema)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object and keeps the order of its members.
func (p *Properties) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil {
		return err
	} else if tok != json.Delim('{') {
		return fmt.Errorf("properties: expected an object, found %v", tok)
	}
	*p = nil
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		var s Schema
		if err := dec.Decode(&s); err != nil {
			return fmt.Errorf("property %q: %w", name, err)
		}
		*p = append(*p, Property{Name: name, Schema: &s})
	}
	return nil
}
