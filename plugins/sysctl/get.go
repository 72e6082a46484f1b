package sysctl

import (
	"context"
	"errors"
	"fmt"

	"github.com/hbohlen/coppice/sdk"
)

func getAction(h host) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "get",
		Summary: "Read parameters of the kernel",
		Description: "Reads the running values. Numbers are parted by one space, where the kernel prints tabs; a value of several lines keeps " +
			"them. Keys are written as for sysctl.set. One that is not there fails the step, unless \"-\" stands in front of it: then it is missing in the output.",
	}, func(_ context.Context, c *sdk.Call, in GetInput) (sdk.Planned[GetOutput, sdk.None], error) {
		out := GetOutput{Values: map[string]string{}}
		var errs []error
		earlier := planned(c.Prior)
		for i, text := range in.Keys {
			at := fmt.Sprintf("/keys/%d", i)
			k, err := parseKey(text)
			if err != nil {
				errs = append(errs, sdk.InvalidInput(at, "%s", err))
				continue
			}
			s := h.proc.look(k, at)
			switch {
			case s.missing != nil && k.optional && !isPattern(k.path):
			case s.missing != nil:
				errs = append(errs, s.missing)
			case s.unread != nil:
				errs = append(errs, s.unread)
			default:
				out.Values[k.name()] = s.value
				if value, ok := earlier[k.path]; ok {
					out.Values[k.name()] = value
				}
			}
		}
		return sdk.Planned[GetOutput, sdk.None]{Outputs: out, Summary: counted(len(out.Values))}, errors.Join(errs...)
	})
}

func counted(n int) string {
	if n == 1 {
		return "1 value"
	}
	return fmt.Sprintf("%d values", n)
}
