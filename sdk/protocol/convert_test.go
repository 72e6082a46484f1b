package protocol

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

func TestPlanOnTheWire(t *testing.T) {
	for _, p := range []*sdk.Plan{
		{},
		{Summary: "nothing", Outputs: json.RawMessage(`{"n": 9223372036854775807}`)},
		{Changes: []sdk.Change{{Kind: sdk.Delete, Resource: sdk.Resource{Type: "t", Name: "a\n"}, Before: json.RawMessage(`{}`)}},
			Kept:    []sdk.Kept{{Resource: sdk.Resource{Type: "t", Name: "b"}, Reason: "newest"}},
			Outputs: json.RawMessage(`{}`), Unknown: []string{"/x"}, Fingerprint: json.RawMessage(`[1]`), Private: json.RawMessage(`"p"`),
			Diagnostics: []sdk.Diagnostic{sdk.Warning("w")}},
	} {
		m, err := encodePlan(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodePlan(m)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v became %+v, %v", p, got, err)
		}
	}
	for _, bad := range []*Plan{
		{Decision: []byte("{")},
		{Decision: []byte("{}"), Fingerprint: []byte("x")},
		{Decision: []byte("{}"), Private: []byte("{}{}")},
	} {
		var broken *BrokenError
		if _, err := decodePlan(bad); !errors.As(err, &broken) {
			t.Errorf("%v is a plan: %v", bad, err)
		}
	}
}
