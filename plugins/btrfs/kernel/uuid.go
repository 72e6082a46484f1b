package kernel

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// UUID identifies a filesystem or a subvolume. The zero value means "none": the kernel stores it so, for example as
// the parent of a subvolume that is not a snapshot.
type UUID [16]byte

// ParseUUID reads the form 8-4-4-4-12 in hexadecimal digits of either case.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	bad := func() (UUID, error) {
		return UUID{}, fmt.Errorf("%q is not a UUID: expected hexadecimal digits in the form 8-4-4-4-12", s)
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return bad()
	}
	digits := strings.ReplaceAll(s, "-", "")
	if len(digits) != 32 {
		return bad()
	}
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return bad()
	}
	return u, nil
}

// String returns the form 8-4-4-4-12 in lower case, the zero UUID included.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// IsZero reports whether u is the "none" value.
func (u UUID) IsZero() bool { return u == UUID{} }

// MarshalText returns String; it never fails.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText accepts what ParseUUID does. u is unchanged after an error.
func (u *UUID) UnmarshalText(text []byte) error {
	v, err := ParseUUID(string(text))
	if err != nil {
		return err
	}
	*u = v
	return nil
}
