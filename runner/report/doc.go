// Package report turns the events of a run or a preview into output. It renders and counts; it never decides anything,
// and never changes an event.
//
// There are five forms, each a constructor:
//
//	NewLive          a run on a terminal: finished steps scroll up, the running one is redrawn in the last line
//	NewLines         a run in a pipe or under systemd: one line a thing, no colours, no cursor control, no timestamps
//	NewEvents        a run as JSON, one object a line (format coppice.events, version 1)
//	NewPlan          a preview for people, on a terminal or in a file
//	NewPlanJSON      a preview as one JSON document (format coppice.plan, version 1), written by Close
//
// Beside them NewService tells a service manager how a run goes, and NewLines gives its lines to the journal, with
// fields, instead of writing them to a stream that is connected to it.
//
// # Where it goes
//
// What was done or would be done is the result, and goes to Options.Out: steps, changes, the summary, the plan, JSON.
// What is said about it goes to Options.Err:
//
//   - NewLines: lines of plugins, warnings and errors. The line that ends a failed step names the error on Out too, so
//     that `coppice run X | tee log` leaves a complete log, while the terminal still shows what went wrong.
//   - NewPlan: lines of plugins only. Warnings and errors are part of a plan: whoever keeps it must see them.
//   - NewLive: nothing. One terminal has one last line, so everything goes to Out, in order.
//   - The JSON forms: nothing. Everything is in the JSON.
//
// Lines of plugins at level debug are shown only with Options.Verbose; in JSON they are always there.
//
// # What comes from the machine
//
// Names of subvolumes, messages and labels can hold anything. In the text forms control characters, line breaks,
// direction-changing characters and bytes that are not UTF-8 are shown as \n, \x1b, \u202e, \xff: one line stays one
// line, and nothing but this package moves the cursor or changes a colour. In JSON the same are \uXXXX, and bytes that
// are not UTF-8 become U+FFFD.
//
// # Widths
//
// On a terminal no line is wider than it: names are cut in the middle, so that both the folder and the stamp stay
// readable; reasons that do not fit move to a line of their own; messages and advice are broken between words and
// never cut. Options.Width 0 means no limit for the plan and lines (a file must not lose names) and 80 for the live form.
//
// The live form uses nothing but carriage return and clear-to-end-of-line, hides no cursor and changes no terminal
// mode, so there is nothing to restore when the process is killed; Close, and every line printed, removes the last line.
package report
