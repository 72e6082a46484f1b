package playbook

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/sdk/unit"
)

var (
	intForm    = pattern(`^-?[0-9]+$`)
	numberForm = pattern(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
)

// Convert reads the text of a scalar as a scalar type. The result is a string for string, path, filesystem and
// subvolume, an int64 for int and size, a float64 for number, a bool, a time.Duration or a time.Time. Numbers and
// booleans must not be quoted; true and false are the only booleans. The mistake has no Path; it is nil if the text
// fits. Convert panics for list and map.
func Convert(t Type, s Scalar) (value any, mistake *diagnostic.Diagnostic) {
	switch t {
	case StringType:
		return s.Text, nil
	case IntType:
		return convertInt(s)
	case NumberType:
		return convertNumber(s)
	case BoolType:
		return convertBool(s)
	case DurationType:
		d, err := unit.ParseDuration(s.Text)
		return unitValue(s, d, err, diagnostic.BadDuration)
	case SizeType:
		n, err := unit.ParseSize(s.Text)
		return unitValue(s, n, err, diagnostic.BadSize)
	case TimestampType:
		at, err := unit.ParseTimestamp(s.Text)
		return unitValue(s, at, err, diagnostic.BadTimestamp)
	case PathType, FilesystemType, SubvolumeType:
		return convertPath(t, s)
	}
	panic(fmt.Sprintf("a scalar cannot be converted to type %q", t))
}

func mistakeAt(s Scalar, code diagnostic.Code, message, suggestion string) *diagnostic.Diagnostic {
	d := &diagnostic.Diagnostic{
		Pos: s.Pos, Length: s.Width(), Code: code, Message: message, Suggestion: suggestion,
	}
	if s.source != nil {
		d.File = s.source.File
	}
	return d
}

func expected(t Type, s Scalar, suggestion string) *diagnostic.Diagnostic {
	found := describePlain(s)
	if !s.Plain {
		found = fmt.Sprintf("the quoted text %q", shorten(s.Text))
		if s.Style == LiteralStyle || s.Style == FoldedStyle {
			found = "a text block"
		}
	}
	return mistakeAt(s, diagnostic.WrongType, fmt.Sprintf("expected %s, found %s", t.article(), found), suggestion)
}

func unitValue(s Scalar, value any, err error, code diagnostic.Code) (any, *diagnostic.Diagnostic) {
	if err == nil {
		return value, nil
	}
	var why *unit.Error
	if !errors.As(err, &why) {
		panic(err)
	}
	return nil, mistakeAt(s, code, why.Message, why.Help)
}

func convertInt(s Scalar) (any, *diagnostic.Diagnostic) {
	switch {
	case !s.Plain && intForm().MatchString(s.Text):
		return nil, expected(IntType, s, "remove the quotes")
	case !s.Plain || !intForm().MatchString(s.Text):
		return nil, expected(IntType, s, "write digits only, such as 1000")
	case hasLeadingZero(s.Text):
		return nil, leadingZero(s)
	}
	n, err := strconv.ParseInt(s.Text, 10, 64)
	if err != nil {
		return nil, mistakeAt(s, diagnostic.NumberRange, fmt.Sprintf("the number %s does not fit into 64 bits", shorten(s.Text)),
			fmt.Sprintf("the range is %d to %d", math.MinInt64, math.MaxInt64))
	}
	return n, nil
}

func convertNumber(s Scalar) (any, *diagnostic.Diagnostic) {
	switch {
	case !s.Plain && numberForm().MatchString(s.Text):
		return nil, expected(NumberType, s, "remove the quotes")
	case !s.Plain || !numberForm().MatchString(s.Text):
		return nil, expected(NumberType, s, "write it like 12, 0.5 or 1e6")
	case hasLeadingZero(s.Text):
		return nil, leadingZero(s)
	}
	f, err := strconv.ParseFloat(s.Text, 64)
	if err != nil {
		return nil, mistakeAt(s, diagnostic.NumberRange, fmt.Sprintf("the number %s is too large", shorten(s.Text)), "")
	}
	return f, nil
}

func hasLeadingZero(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return len(text) > 1 && text[0] == '0' && '0' <= text[1] && text[1] <= '9'
}

func leadingZero(s Scalar) *diagnostic.Diagnostic {
	sign, digits := "", s.Text
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for hasLeadingZero(digits) {
		digits = digits[1:]
	}
	help := fmt.Sprintf("write %s%s", sign, digits)
	if octal, err := strconv.ParseInt(digits, 8, 64); err == nil && strconv.FormatInt(octal, 10) != digits {
		help += fmt.Sprintf(" (octal %s is %s%d)", digits, sign, octal)
	}
	return mistakeAt(s, diagnostic.LeadingZero, fmt.Sprintf("the number %s has a leading zero", shorten(s.Text)), help)
}

func convertBool(s Scalar) (any, *diagnostic.Diagnostic) {
	if s.Plain {
		switch s.Text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	help := "write true or false"
	switch strings.ToLower(s.Text) {
	case "true", "yes", "on", "y", "1":
		help = "write true"
	case "false", "no", "off", "n", "0":
		help = "write false"
	}
	return nil, expected(BoolType, s, help)
}

func convertPath(t Type, s Scalar) (any, *diagnostic.Diagnostic) {
	bad := func(message, help string) (any, *diagnostic.Diagnostic) {
		return nil, mistakeAt(s, diagnostic.BadValue, message, help)
	}
	switch {
	case s.Text == "":
		return bad(fmt.Sprintf("%s cannot be empty", t.article()), "")
	case strings.ContainsRune(s.Text, 0):
		return bad(fmt.Sprintf("%s cannot contain a NUL character", t.article()), "")
	case t == FilesystemType:
		for _, prefix := range []string{"UUID=", "LABEL="} {
			if rest, found := strings.CutPrefix(s.Text, prefix); found && rest != "" {
				return s.Text, nil
			}
		}
		if !path.IsAbs(s.Text) {
			return bad(fmt.Sprintf("%q is not a filesystem", shorten(s.Text)),
				"write UUID=…, LABEL=…, a device such as /dev/sda2 or a mount point such as /")
		}
	case t == PathType && !path.IsAbs(s.Text):
		return bad(fmt.Sprintf("%q is not an absolute path", shorten(s.Text)), "start it with /")
	}
	return s.Text, nil
}
