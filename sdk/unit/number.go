package unit

import (
	"fmt"
	"math/big"
	"strings"
)

// splitNumber takes a decimal number off the front of rest: "1.50GiB" is "1", "50" and "GiB". Text is the whole that is
// being read, for messages.
func splitNumber(rest, text, what, help string) (whole, fraction, tail string, err *Error) {
	whole = leadingDigits(rest)
	tail = rest[len(whole):]
	if whole == "" {
		return "", "", "", errorf(help, "not a %s: %q", what, text)
	}
	if len(whole) > 1 && whole[0] == '0' {
		trimmed := strings.TrimLeft(whole[:len(whole)-1], "0") + whole[len(whole)-1:]
		return "", "", "", errorf("write "+trimmed, "the number %s of the %s %q has a leading zero", whole, what, text)
	}
	if after, found := strings.CutPrefix(tail, "."); found {
		fraction = leadingDigits(after)
		if fraction == "" {
			return "", "", "", errorf(help, "digits are missing after the point in the %s %q", what, text)
		}
		tail = after[len(fraction):]
	}
	return whole, fraction, tail, nil
}

func leadingDigits(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// leadingLetters takes everything up to a digit, a space or a point; letters that are not ASCII are kept for messages.
func leadingLetters(s string) string {
	if end := strings.IndexAny(s, "0123456789 ."); end >= 0 {
		return s[:end]
	}
	return s
}

// scale is whole.fraction × unit. It is not ok if the result does not fit, or has a part below 1 while exact is set;
// without exact that part is cut off.
func scale(whole, fraction string, unit int64, exact bool) (result int64, ok bool) {
	const longest = 40 // more digits cannot fit, or cannot matter
	if len(whole) > longest || exact && len(fraction) > longest {
		return 0, false
	}
	if len(fraction) > longest {
		fraction = fraction[:longest]
	}
	number, valid := new(big.Int).SetString(whole+fraction, 10)
	if !valid {
		panic(fmt.Sprintf("digits are no number: %q.%q", whole, fraction))
	}
	number.Mul(number, big.NewInt(unit))
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(fraction))), nil)
	quotient, remainder := number.QuoRem(number, power, new(big.Int))
	if !quotient.IsInt64() || exact && remainder.Sign() != 0 {
		return 0, false
	}
	return quotient.Int64(), true
}
