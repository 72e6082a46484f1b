package upkeep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// deviceErrorsPrivate is the record that Apply writes; nil: none.
type deviceErrorsPrivate struct {
	Filesystem string
	Record     *devicesRecord
}

// devicesFacts is what a decision about devices rests on.
type devicesFacts struct {
	named
	devices  []kernel.Device
	counts   map[uint64]errorSet // by the device's number
	record   devicesRecord
	readOnly bool
}

func deviceErrorsAction(volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "device_errors",
		Summary: "Tell when a device has new errors, or is missing",
		Description: "Reads the counters that the kernel keeps of each device (\"btrfs device stats\") and compares them with those that somebody has acknowledged, " +
			"by the record in .coppice/upkeep on the filesystem itself. A counter that is higher fails the step, each time until it is acknowledged; so " +
			"does a missing device. A device that is not in the record is expected to have no errors.\n\n" +
			"acknowledge makes the present counters the known ones. Counters that were reset (\"btrfs device stats --reset\"), and devices " +
			"that were replaced, are noticed, and the record follows. The kernel's counters themselves are left alone.",
		Converges: true,
		Touches:   []string{devicesType},
	}, sdk.Writer[DeviceErrorsInput, DeviceErrorsOutput, deviceErrorsPrivate]{
		Plan: func(ctx context.Context, c *sdk.Call, in DeviceErrorsInput) (sdk.Planned[DeviceErrorsOutput, deviceErrorsPrivate], error) {
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return sdk.Planned[DeviceErrorsOutput, deviceErrorsPrivate]{}, err
			}
			defer f.Close()
			facts, err := observeDevices(f)
			if err != nil {
				return sdk.Planned[DeviceErrorsOutput, deviceErrorsPrivate]{}, err
			}
			return planDevices(facts, in, c.Instant, facts.planned(devicesType, c.Prior))
		},
		Apply: func(ctx context.Context, c *sdk.Call, in DeviceErrorsInput, private deviceErrorsPrivate) (DeviceErrorsOutput, error) {
			var out DeviceErrorsOutput
			if err := c.PlannedOutputs(&out); err != nil || private.Record == nil {
				return out, err
			}
			f, err := volume.OpenPlanned(ctx, in.Target, private.Filesystem)
			if err != nil {
				return out, err
			}
			defer f.Close()
			var now devicesRecord
			if _, err := readRecord(f, devicesFile, &now); err != nil {
				return out, err
			}
			if now.same(*private.Record) { // applied already
				return out, nil
			}
			if err := writeRecord(f, devicesFile, private.Record); err != nil {
				return out, volume.Explain("", fmt.Errorf("cannot record what is known of the devices: %w", err))
			}
			c.Done(0)
			return out, nil
		},
	})
}

func observeDevices(f *kernel.Filesystem) (devicesFacts, error) {
	n, err := nameOf(f)
	if err != nil {
		return devicesFacts{}, err
	}
	facts := devicesFacts{named: n, counts: map[uint64]errorSet{}}
	if _, err := readRecord(f, devicesFile, &facts.record); err != nil {
		return facts, err
	}
	if facts.readOnly, err = f.ReadOnly(); err != nil {
		return facts, volume.Explain("", err)
	}
	if facts.devices, err = f.Devices(); err != nil {
		return facts, volume.Explain("", err)
	}
	for _, d := range facts.devices {
		e, err := f.DeviceErrors(d.ID)
		if err != nil {
			return facts, volume.Explain("", err)
		}
		facts.counts[d.ID] = errorsOf(e)
	}
	return facts, nil
}

// same reports whether two records know the same errors of the same devices.
func (r devicesRecord) same(other devicesRecord) bool {
	return maps.EqualFunc(r.Devices, other.Devices, func(a, b knownErrors) bool { return a.ID == b.ID && a.Counts == b.Counts })
}

func planDevices(facts devicesFacts, in DeviceErrorsInput, instant time.Time, planned bool) (sdk.Planned[DeviceErrorsOutput, deviceErrorsPrivate], error) {
	var p sdk.Planned[DeviceErrorsOutput, deviceErrorsPrivate]
	p.Outputs.Devices = []DeviceStatus{}
	next := devicesRecord{versioned{recordVersion}, map[string]knownErrors{}}
	var why, before []string
	for _, d := range facts.devices {
		id, now := d.UUID.String(), facts.counts[d.ID]
		known, recorded := facts.record.Devices[id]
		level := known.Counts.lowered(now)
		if level != known.Counts {
			why = append(why, fmt.Sprintf("the counters of device %d were reset", d.ID))
		}
		if planned {
			level = now
		}
		s := status(d, now, level)
		p.Outputs.Devices = append(p.Outputs.Devices, s)
		p.Diagnostics = append(p.Diagnostics, facts.alarms(s, in)...)
		p.Outputs.Risen = p.Outputs.Risen || len(s.Rises) > 0
		if d.Path == "" {
			p.Outputs.Missing++
		}
		if in.Acknowledge {
			level = now
		}
		if level == known.Counts && recorded {
			next.Devices[id] = known
		} else if level != (errorSet{}) {
			next.Devices[id] = knownErrors{ID: d.ID, Since: instant, Counts: level}
		}
		if in.Acknowledge && len(s.Rises) > 0 {
			before = append(before, fmt.Sprintf("device %d: %s", d.ID, strings.Join(s.Rises, ", ")))
		}
	}
	for id, known := range facts.record.Devices {
		if !slices.ContainsFunc(facts.devices, func(d kernel.Device) bool { return d.UUID.String() == id }) {
			why = append(why, fmt.Sprintf("the device that was number %d is no part of the filesystem any more", known.ID))
		}
	}
	slices.Sort(why)
	why = append(before, why...)
	p.Facts = map[string]any{"filesystem": facts.id, "record": next.levels()}
	p.Summary = volume.Count(len(facts.devices), "device") + ", no new errors"
	if p.Outputs.Risen || p.Outputs.Missing > 0 {
		p.Summary = fmt.Sprintf("%s, %d missing", volume.Count(len(facts.devices), "device"), p.Outputs.Missing)
	}
	switch {
	case next.same(facts.record) || planned:
		return p, nil
	case facts.readOnly && in.Acknowledge:
		return p, facts.readOnlyError("nothing can be acknowledged", "")
	case facts.readOnly:
		return p, nil
	}
	p.Private = deviceErrorsPrivate{Filesystem: facts.id, Record: &next}
	p.Changes = []sdk.Change{{Kind: sdk.Update, Resource: facts.resource(devicesType), Summary: "note which errors are known", Reason: strings.Join(why, "; ")}}
	return p, nil
}

// levels are the counters of a record, without times.
func (r devicesRecord) levels() map[string]errorSet {
	all := map[string]errorSet{}
	for id, known := range r.Devices {
		all[id] = known.Counts
	}
	return all
}

func status(d kernel.Device, now, known errorSet) DeviceStatus {
	return DeviceStatus{
		ID: int64(d.ID), UUID: sdk.UUID(d.UUID.String()), Path: d.Path, Rises: now.rises(known),
		Write: int64(now.Write), Read: int64(now.Read), Flush: int64(now.Flush), Corruption: int64(now.Corruption), Generation: int64(now.Generation),
	}
}

// alarms are what somebody must know of a device.
func (facts devicesFacts) alarms(s DeviceStatus, in DeviceErrorsInput) []sdk.Diagnostic {
	var all []sdk.Diagnostic
	if len(s.Rises) > 0 && !in.Acknowledge {
		all = append(all, alarm(in, "look at \"dmesg\" and the disk's own report (smartctl); scrub; when the cause is known, run this once with acknowledge: true",
			"device %d of btrfs %s (%s) has new errors: %s", s.ID, facts.name(), s.where(), strings.Join(s.Rises, ", ")))
	}
	if s.Path == "" {
		all = append(all, alarm(in, "replace it with \"btrfs replace\", or take it out with \"btrfs device remove missing\"",
			"device %d of btrfs %s (%s) is missing", s.ID, facts.name(), s.UUID))
	}
	return all
}

func (s DeviceStatus) where() string {
	if s.Path == "" {
		return "missing"
	}
	return s.Path
}

func alarm(in DeviceErrorsInput, advice, format string, args ...any) sdk.Diagnostic {
	if in.OnRise == "warn" {
		return volume.Warn(advice, format, args...)
	}
	return volume.ItemError(volume.Refuse(advice, format, args...))
}
