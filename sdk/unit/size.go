package unit

import (
	"fmt"
	"strconv"
	"strings"
)

// The binary units of size.
const (
	KiB int64 = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
	PiB
	EiB
)

type sizeUnit struct {
	name  string
	bytes int64
}

var binaryUnits = []sizeUnit{{"EiB", EiB}, {"PiB", PiB}, {"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

var sizeUnits = append([]sizeUnit{
	{"EB", 1e18}, {"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
}, binaryUnits...)

const sizeHelp = `write a number and a unit, such as 512MiB, 1.5GiB or 10GB`

// ParseSize reads a number of bytes: "512MiB", "1.5 GiB", "10GB", "4096B", "4096". kB, MB, GB, TB, PB and EB are powers
// of 1000; KiB, MiB, GiB, TiB, PiB and EiB are powers of 1024; a bare number is bytes. One space may stand before the
// unit. A fraction is cut off below a byte; bytes themselves have none. Spellings that mean different numbers to
// different programs (1K, 1G, 1KB) are errors. The result is never negative. The error is always an *Error.
func ParseSize(text string) (int64, error) {
	if text == "" {
		return 0, errorf(sizeHelp, "the size is empty")
	}
	if text[0] == '-' {
		return 0, errorf("", "a size cannot be negative: %q", text)
	}
	whole, fraction, tail, err := splitNumber(text, text, "size", sizeHelp)
	if err != nil {
		return 0, err
	}
	number := text[:len(text)-len(tail)]
	name := strings.TrimPrefix(tail, " ")
	if name == "" && tail == "" {
		name = "B"
	}
	for _, u := range sizeUnits {
		if u.name != name {
			continue
		}
		if u.bytes == 1 && fraction != "" {
			return 0, errorf(sizeHelp, "there is no fraction of a byte: %q", text)
		}
		bytes, ok := scale(whole, fraction, u.bytes, false)
		if !ok {
			return 0, errorf("the largest is below 8EiB", "the size %q is too large", text)
		}
		return bytes, nil
	}
	return 0, sizeUnitError(number, name, text)
}

func sizeUnitError(number, name, text string) *Error {
	if name == "" {
		return errorf(sizeHelp, "the size %q ends in a space", text)
	}
	letter := strings.ToUpper(name[:1])
	if !strings.Contains("KMGTPE", letter) {
		return errorf(sizeHelp, "unknown unit %q in the size %q", name, text)
	}
	decimal := strings.Replace(letter, "K", "k", 1) + "B"
	switch strings.ToUpper(name) {
	case letter + "IB":
		return errorf(fmt.Sprintf("write %s%siB", number, letter), "unknown unit %q in the size %q", name, text)
	case letter, letter + "B", letter + "I":
		return errorf(fmt.Sprintf("write %s%siB (powers of 1024) or %s%s (powers of 1000)", number, letter, number, decimal),
			"the unit %q in the size %q is ambiguous", name, text)
	}
	return errorf(sizeHelp, "unknown unit %q in the size %q", name, text)
}

// FormatSize writes bytes for a person, in the largest binary unit that leaves at least 1, with one decimal unless it
// is 0: "1.5GiB", "512MiB", "37B". ParseSize reads it back, rounded to that decimal. Negative sizes get a "-".
func FormatSize(bytes int64) string {
	sign, rest := "", uint64(bytes)
	if bytes < 0 {
		sign, rest = "-", -rest
	}
	for i, u := range binaryUnits {
		unit := uint64(u.bytes)
		if rest < unit && unit > 1 {
			continue
		}
		tenths := rest / unit * 10
		remainder := rest % unit
		// remainder × 10 / unit, rounded; an EiB × 10 still fits into 64 bits.
		tenths += (remainder*10 + unit/2) / unit
		if tenths >= 10240 && i > 0 { // 1023.96KiB is 1MiB
			return fmt.Sprintf("%s1%s", sign, binaryUnits[i-1].name)
		}
		number := strconv.FormatUint(tenths/10, 10)
		if tenths%10 != 0 {
			number += "." + strconv.FormatUint(tenths%10, 10)
		}
		return sign + number + u.name
	}
	panic("bytes are a unit of every size")
}

// ExactSize writes bytes in the largest binary unit that divides them: "1536MiB", "512MiB", "1000B". ParseSize reads
// it back exactly if bytes is not negative. Zero is "0B".
func ExactSize(bytes int64) string {
	for _, u := range binaryUnits {
		if bytes != 0 && bytes%u.bytes == 0 || u.bytes == 1 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	panic("bytes are a unit of every size")
}
