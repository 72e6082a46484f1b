package check

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Saved is the inputs of a run in a form that can be kept: the values, and of those that are secret only a salted HMAC, by
// which the same secret is known again.
type Saved struct {
	Inputs  map[string]json.RawMessage `json:"inputs"`            // JSON values, without the secret ones
	Salt    string                     `json:"salt,omitempty"`    // base64
	Secrets map[string]string          `json:"secrets,omitempty"` // HMAC-SHA-256 of each, base64
}

// Save keeps the inputs that Resolve returned. salt is 32 random bytes.
func (p *Program) Save(values map[string]any, salt []byte) (Saved, error) {
	s := Saved{Inputs: map[string]json.RawMessage{}}
	for _, in := range p.Inputs {
		v, ok := values[in.Decl.Name]
		if !ok {
			continue
		}
		encoded, err := Units.ToJSON(in.Schema, v)
		if err != nil {
			return Saved{}, fmt.Errorf("cannot save input %s: %w", in.Decl.Name, err)
		}
		if !in.Decl.Secret {
			s.Inputs[in.Decl.Name] = encoded
			continue
		}
		if s.Secrets == nil {
			s.Secrets, s.Salt = map[string]string{}, base64.StdEncoding.EncodeToString(salt)
		}
		s.Secrets[in.Decl.Name] = seal(salt, in.Decl.Name, encoded)
	}
	return s, nil
}

func seal(salt []byte, name string, value []byte) string {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write(value)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Restore is the inputs as values again. secrets are those given anew: each must be the one that was saved. where, such as
// "the plan file", is for messages.
func (p *Program) Restore(s Saved, where string, secrets map[string]any) (map[string]any, error) {
	salt, err := base64.StdEncoding.DecodeString(s.Salt)
	if err != nil {
		return nil, fmt.Errorf("the salt in %s is broken", where)
	}
	values := map[string]any{}
	var wrong []error
	for _, in := range p.Inputs {
		name := in.Decl.Name
		if !in.Decl.Secret {
			data, ok := s.Inputs[name]
			switch {
			case !ok:
				continue
			case bytes.Contains(data, []byte(Masked)): // a secret is a part of it
				wrong = append(wrong, fmt.Errorf("the input %s is not whole in %s: a secret stands in it", name, where))
				continue
			}
			v, err := Units.FromJSON(in.Schema, data)
			if err != nil {
				return nil, fmt.Errorf("the input %s in %s: %w", name, where, err)
			}
			values[name] = v
			continue
		}
		v, given := secrets[name]
		want, saved := s.Secrets[name]
		switch {
		case saved && !given:
			wrong = append(wrong, fmt.Errorf("the secret input %s is not in %s: give it again with -i %s=@file", name, where, name))
		case given && !saved:
			wrong = append(wrong, fmt.Errorf("there was no secret input %s when %s was made", name, where))
		case given:
			encoded, err := Units.ToJSON(in.Schema, v)
			if err != nil || !hmac.Equal([]byte(seal(salt, name, encoded)), []byte(want)) {
				wrong = append(wrong, fmt.Errorf("the secret input %s is not the one that %s was made with", name, where))
			}
			values[name] = v
		}
	}
	return values, errors.Join(wrong...)
}
