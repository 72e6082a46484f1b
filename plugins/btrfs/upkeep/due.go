package upkeep

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Due is what the filesystem's own records say about when something is to be done.
type Due struct {
	Due  bool       `json:"due" doc:"Whether it was due, and so is done."`
	Last *time.Time `json:"last,omitempty" doc:"When it was last finished, this time included; absent when never."`
	Next *time.Time `json:"next,omitempty" doc:"When it will be due next; absent without if_older, and while it was never finished."`
}

// clockSlack is how far clocks may differ without anybody wondering.
const clockSlack = 5 * time.Minute

// judged is a decision about what is due, with the reason in words.
type judged struct {
	Due
	reason  string
	warning *sdk.Diagnostic
}

// judge decides. last is nil if it was never finished; older is 0 if it is due whenever it is asked for. unsynchronised says what is wrong
// with the clock, "" if nothing is.
//
// A last time in the future means that the clock was wrong then or is wrong now. While nothing keeps the clock it is waited for
// a better one; with a clock that is kept the record was wrong, and is not believed.
func judge(last *time.Time, older time.Duration, instant time.Time, unsynchronised string) judged {
	if last == nil {
		return judged{Due: Due{Due: true}, reason: "never finished so far"}
	}
	at := last.UTC()
	j := judged{Due: Due{Last: &at}, reason: "last finished " + volume.Moment(at)}
	if older <= 0 {
		j.Due.Due = true
		return j
	}
	next := at.Add(older)
	j.Next = &next
	switch age := instant.Sub(at); {
	case age < -clockSlack && unsynchronised != "":
		w := volume.Warn("wait until something (NTP) has set the clock",
			"the last one finished %s, which is in the future, and %s; nobody can tell what is due", volume.Moment(at), unsynchronised)
		j.warning = &w
		j.reason += ", in the future"
	case age < -clockSlack:
		w := volume.Warn("", "the last one finished %s by its record, which is in the future: it is not believed", volume.Moment(at))
		j.warning = &w
		j.Due.Due = true
		j.reason += ", in the future"
	case age >= older:
		j.Due.Due = true
		j.reason += fmt.Sprintf(", %v ago, due every %v", sdk.Duration(roughly(age)), sdk.Duration(older))
	default:
		j.reason += ", due again " + volume.Moment(next)
	}
	return j
}

// roughly cuts off what nobody wants to read.
func roughly(d time.Duration) time.Duration {
	switch {
	case d >= 48*time.Hour:
		return d.Truncate(24 * time.Hour)
	case d >= 2*time.Hour:
		return d.Truncate(time.Hour)
	case d >= 2*time.Minute:
		return d.Truncate(time.Minute)
	}
	return d.Truncate(time.Second)
}
