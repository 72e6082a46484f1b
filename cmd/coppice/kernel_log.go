package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/runner/report"
)

// kernelLogPath is where an initrd without a journal has its messages. A journal of later reads them there.
const kernelLogPath = "/dev/kmsg"

// maxRecord is what fits into one record of the kernel's log with whatever kernel, see devkmsg_write in kernel/printk.
const maxRecord = 900

// isKernelLog reports whether a stream is /dev/kmsg: see admin-guide/devices.txt in the kernel's documentation.
func isKernelLog(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && unix.Major(st.Rdev) == 1 && unix.Minor(st.Rdev) == 11
}

// kernelLog writes lines to the kernel's log, each with a priority if "<4>" is in front of it.
type kernelLog struct {
	open func() (io.WriteCloser, error)
	rest []byte // of a line that has not ended yet
}

// newKernelLog opens the log for each line: of one who keeps it open the kernel takes ten lines, and then none for some seconds
// (printk.devkmsg=ratelimit).
func newKernelLog() *kernelLog {
	return &kernelLog{open: func() (io.WriteCloser, error) { return os.OpenFile(kernelLogPath, os.O_WRONLY, 0) }}
}

func (k *kernelLog) Write(data []byte) (int, error) {
	k.rest = append(k.rest, data...)
	for {
		line, rest, ended := bytes.Cut(k.rest, []byte("\n"))
		if !ended {
			return len(data), nil
		}
		k.rest = rest
		if err := k.record(string(line)); err != nil {
			return 0, err
		}
	}
}

func (k *kernelLog) record(line string) error {
	priority := byte('6')
	if len(line) > 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>' {
		priority, line = line[1], line[3:]
	}
	line = strings.TrimPrefix(line, "coppice: ")
	if len(line) > maxRecord {
		end := maxRecord
		for !utf8.RuneStart(line[end]) {
			end--
		}
		line = line[:end] + "…"
	}
	to, err := k.open()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "<%c>coppice: %s\n", priority, line)
	if gone := to.Close(); err == nil {
		err = gone
	}
	return err
}

// alsoToConsole shows on the console what nobody may overlook, besides sending it to the journal, which in an initrd can be read by
// nobody if the boot goes wrong.
func alsoToConsole(send func(report.Entry) error) func(report.Entry) error {
	return func(e report.Entry) error {
		if e.Priority <= syslogWarning {
			if f, err := os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err == nil {
				fmt.Fprintf(f, "coppice: %s\r\n", e.Message) // a console that takes nothing is no failure
				f.Close()
			}
		}
		return send(e)
	}
}
