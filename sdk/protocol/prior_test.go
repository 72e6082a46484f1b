package protocol

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

// What comes out is what went in, in whatever order lists grow, shrink and change, and the text is that of encoding/json.
func TestPrior(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	fresh := func() sdk.Change {
		c := sdk.Change{Kind: []sdk.Kind{sdk.Create, sdk.Delete, sdk.Update}[r.IntN(3)],
			Resource: sdk.Resource{Type: "t", Name: fmt.Sprint("näme \"", r.IntN(20))}, Reason: fmt.Sprint(r.IntN(3))}
		if r.IntN(2) == 0 {
			c.After = json.RawMessage(fmt.Sprintf(`{"a":[%d,"]"]}`, r.IntN(3)))
		}
		return c
	}
	var e priorEncoder
	var d priorDecoder
	var all []sdk.Change
	for range 3000 {
		switch r.IntN(6) {
		case 0:
			all = nil
		case 1:
			if len(all) > 0 {
				i := r.IntN(len(all))
				all = append(append([]sdk.Change{}, all[:i]...), all[i+1:]...)
			}
		case 2:
			if len(all) > 0 {
				all = append([]sdk.Change{}, all...)
				all[r.IntN(len(all))] = fresh()
			}
		case 3:
		default:
			all = append(append([]sdk.Change{}, all...), fresh(), fresh())
		}
		text, err := e.encode(all)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) > 0 {
			if want, _ := json.Marshal(all); string(text) != string(want) {
				t.Fatalf("%s\nwant\n%s", text, want)
			}
		}
		got, err := d.decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(all) || len(all) > 0 && !reflect.DeepEqual(got, all) {
			t.Fatalf("%+v\nwant\n%+v", got, all)
		}
	}
	for _, bad := range []string{"{}", "[", `[{"kind":7}]`, "[1]"} {
		if _, err := d.decode([]byte(bad)); err == nil {
			t.Errorf("%s is decoded", bad)
		}
	}
}
