// Package docs holds the documentation, and the tests that keep it true: every
// transcript is executed, every playbook is validated, every link is followed,
// and the generated pages are compared with what they are generated from.
//
//	go test ./docs            compare
//	go test ./docs -update    write what is really printed into the documents
//	go generate ./docs        write the generated pages only; needs no root
//
// # Blocks
//
// The first word behind the opening fence says what is done with a block:
//
//	console           executed. A line that starts with "$ " or "# " (the prompt of
//	                  root) is a command, lines behind it that start with "> " carry
//	                  it on, the other lines are its output. A line "..." stands for
//	                  any number of lines. The commands of one document run in one
//	                  shell. One that fails must be followed by "echo $?".
//	yaml              a whole playbook: it is validated. With file=NAME it is also
//	                  written to that file before the next command runs.
//	yaml steps        one or more steps: validated inside of a small playbook
//	yaml inputs=NAME  inputs of that playbook: checked against it
//	yaml fragment     not looked at
//	ini file=NAME     a unit of systemd: it is verified, and written to that file before
//	                  the next command runs
//
// Blocks of other languages are not looked at. (TestDrill in cmd/coppice/boottest follows
// put-yesterdays-root-back.md on a machine, and executes those of sh as well.)
//
// # Where commands run
//
// In a mount namespace of their own, in which everything but /etc (a copy), and
// /mnt, /tmp, /var/tmp, /var/lib, /run and /root (empty), is read-only. A document that names /mnt/server
// finds a throw-away btrfs there: the server layout, and snapshots of root,
// persist, services and caddy every six hours of the last 30 days.
//
// # What is not compared
//
// Before outputs are compared, what differs from run to run is replaced: stamps,
// run ids, times, dates, measured durations, ages in brackets, the days, weeks and
// months of retention rules, UUIDs and their beginnings, free space, temporary paths, loop devices,
// transactions, subvolume ids and process ids, and how much was scrubbed, trimmed or freed. See differing in console_test.go.
// What the day or the clock of the machine decides does not belong into a
// transcript: give clock=rtc, and count nothing that the calendar decides.
package docs

//go:generate go test -count=1 -run ^TestGenerated . -update
