package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/hbohlen/coppice/sdk"
)

// Prior changes are long where there are many snapshots, and mostly those of the call before: each step of a preview gets the
// same ones and a few more, and each run of a simulation nearly the same. So both ends remember what they have encoded and
// decoded.

// priorEncoder encodes prior changes.
type priorEncoder struct {
	mu    sync.Mutex
	known map[priorKey]encodedChange
}

type priorKey struct {
	kind     sdk.Kind
	resource sdk.Resource
}

type encodedChange struct {
	change sdk.Change
	text   []byte
}

func (e *priorEncoder) encode(all []sdk.Change) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.known) > 2*len(all)+1000 || e.known == nil {
		e.known = make(map[priorKey]encodedChange, len(all))
	}
	list := []byte{'['}
	for i, c := range all {
		if i > 0 {
			list = append(list, ',')
		}
		k := priorKey{c.Kind, c.Resource}
		known, ok := e.known[k]
		if !ok || !sameChange(known.change, c) {
			text, err := json.Marshal(c)
			if err != nil {
				return nil, fmt.Errorf("cannot encode prior changes: %w", err)
			}
			known = encodedChange{c, text}
			e.known[k] = known
		}
		list = append(list, known.text...)
	}
	return append(list, ']'), nil
}

// sameChange compares; it takes no time where both share their texts.
func sameChange(a, b sdk.Change) bool {
	return a.Kind == b.Kind && a.Resource == b.Resource && a.Summary == b.Summary && a.Reason == b.Reason && a.Conditional == b.Conditional &&
		bytes.Equal(a.Before, b.Before) && bytes.Equal(a.After, b.After)
}

// priorDecoder decodes prior changes. Nobody may write to what it returns.
type priorDecoder struct {
	mu    sync.Mutex
	text  []byte
	last  []sdk.Change // of text
	known map[string]sdk.Change
}

func (d *priorDecoder) decode(text []byte) ([]sdk.Change, error) {
	if len(text) == 0 {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Equal(text, d.text) {
		return d.last, nil
	}
	rest, all := text, []sdk.Change(nil)
	// A list that goes on where the last one ended: "[…" and "[…,…".
	if n := len(d.text) - 1; n > 1 && len(text) > n && text[n] == ',' && bytes.Equal(text[:n], d.text[:n]) {
		rest = bytes.Clone(text[n:])
		rest[0] = '['
		all = d.last[:len(d.last):len(d.last)]
	}
	var items []json.RawMessage
	if err := unmarshal("prior changes", rest, &items); err != nil {
		return nil, err
	}
	if len(d.known) > 2*(len(all)+len(items))+1000 || d.known == nil {
		d.known = make(map[string]sdk.Change, len(items))
	}
	for _, item := range items {
		c, ok := d.known[string(item)]
		if !ok {
			if err := unmarshal("prior changes", item, &c); err != nil {
				return nil, err
			}
			d.known[string(item)] = c
		}
		all = append(all, c)
	}
	d.text, d.last = text, all[:len(all):len(all)]
	return d.last, nil
}
