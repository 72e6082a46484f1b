// Package calendar reads the part of systemd's calendar expressions (systemd.time(7)) that timers of playbooks use, and tells when
// they elapse: "daily", "Mon..Fri 03:30", "*-*-* 00/6:00:00", "*-01,07-01 04:00 Europe/Berlin".
//
// It is pure. What it does not know, such as the last day of a month ("~") or parts of seconds, is an error and never a guess.
package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Calendar is a set of instants, to the second.
type Calendar struct {
	weekdays [7]bool // Monday first
	years    field
	months   field
	days     field
	hours    field
	minutes  field
	seconds  field
	location *time.Location
}

// field is what one part of an expression allows. Sorted; nil: everything.
type field []int

func (f field) has(n int) bool {
	if f == nil {
		return true
	}
	_, found := slices.BinarySearch(f, n)
	return found
}

// values lists what is allowed up to the most that there can be.
func (f field) values(most int) []int {
	if f != nil {
		return f
	}
	all := make([]int, most+1)
	for i := range all {
		all[i] = i
	}
	return all
}

var shorthands = map[string]string{
	"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "monthly": "*-*-01 00:00:00",
	"weekly": "Mon *-*-* 00:00:00", "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
	"quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00", "semi-annually": "*-01,07-01 00:00:00",
}

// Parse reads an expression. Where it names no time zone, it is in that of the location.
func Parse(text string, location *time.Location) (*Calendar, error) {
	c := &Calendar{weekdays: [7]bool{true, true, true, true, true, true, true}, hours: field{0}, minutes: field{0}, seconds: field{0}, location: location}
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, fmt.Errorf("the calendar expression is empty")
	}
	if n := len(words) - 1; n > 0 {
		if zone, ok := zoneOf(words[n]); ok {
			c.location, words = zone, words[:n]
		}
	}
	if long, ok := shorthands[strings.ToLower(words[0])]; ok && len(words) == 1 {
		words = strings.Fields(long)
	}
	fail := func(err error) (*Calendar, error) { return nil, fmt.Errorf("calendar expression %q: %w", text, err) }
	if first := words[0][0]; first >= 'A' && first <= 'Z' || first >= 'a' && first <= 'z' {
		if err := c.readWeekdays(words[0]); err != nil {
			return fail(err)
		}
		words = words[1:]
	}
	if len(words) > 0 && !strings.Contains(words[0], ":") {
		if err := c.readDate(words[0]); err != nil {
			return fail(err)
		}
		words = words[1:]
	}
	if len(words) > 0 && strings.Contains(words[0], ":") {
		if err := c.readTime(words[0]); err != nil {
			return fail(err)
		}
		words = words[1:]
	}
	if len(words) > 0 {
		return fail(fmt.Errorf("%q is not understood", strings.Join(words, " ")))
	}
	return c, nil
}

// zoneOf reads a time zone. "Local" is no name, and no day of the week or shorthand is one.
func zoneOf(name string) (*time.Location, bool) {
	if name == "UTC" {
		return time.UTC, true
	}
	if !strings.Contains(name, "/") || strings.ContainsAny(name, ":*,.") {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

var weekdayNames = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

func weekday(name string) (int, error) {
	low := strings.ToLower(name)
	for i, long := range weekdayNames {
		if low == long || low == long[:3] {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is no day of the week", name)
}

func (c *Calendar) readWeekdays(text string) error {
	c.weekdays = [7]bool{}
	for _, part := range strings.Split(strings.TrimSuffix(text, ","), ",") {
		from, to, isRange := strings.Cut(part, "..")
		first, err := weekday(from)
		if err != nil {
			return err
		}
		last := first
		if isRange {
			if last, err = weekday(to); err != nil {
				return err
			}
		}
		if last < first {
			return fmt.Errorf("%q ends before it begins", part)
		}
		for d := first; d <= last; d++ {
			c.weekdays[d] = true
		}
	}
	return nil
}

func (c *Calendar) readDate(text string) error {
	parts := strings.Split(text, "-")
	if len(parts) == 2 {
		parts = append([]string{"*"}, parts...)
	}
	if len(parts) != 3 {
		return fmt.Errorf("%q is no date such as *-*-01", text)
	}
	return c.read(parts, []slot{{&c.years, 1970, 2199}, {&c.months, 1, 12}, {&c.days, 1, 31}})
}

func (c *Calendar) readTime(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) == 2 {
		parts = append(parts, "00")
	}
	if len(parts) != 3 {
		return fmt.Errorf("%q is no time such as 03:30", text)
	}
	return c.read(parts, []slot{{&c.hours, 0, 23}, {&c.minutes, 0, 59}, {&c.seconds, 0, 59}})
}

type slot struct {
	field       *field
	first, last int
}

func (c *Calendar) read(parts []string, slots []slot) error {
	for i, s := range slots {
		var err error
		if *s.field, err = readField(parts[i], s.first, s.last); err != nil {
			return err
		}
	}
	return nil
}

// readField reads "*", or a list of "n", "n..m", "n/step", "n..m/step" and "*/step".
func readField(text string, first, last int) (field, error) {
	if text == "*" {
		return nil, nil
	}
	f := field{}
	for _, part := range strings.Split(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(span, "..")
		low, high, step := first, last, 1
		var err error
		if from != "*" || isRange {
			if low, err = number(from, first, last); err != nil {
				return nil, err
			}
			if !stepped {
				high = low
			}
		}
		if isRange {
			if high, err = number(to, first, last); err != nil {
				return nil, err
			}
		}
		if stepped {
			if step, err = number(stepText, 1, last); err != nil {
				return nil, err
			}
		}
		if high < low {
			return nil, fmt.Errorf("%q ends before it begins", part)
		}
		for n := low; n <= high; n += step {
			f = append(f, n)
		}
	}
	slices.Sort(f)
	return slices.Compact(f), nil
}

func number(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || text[0] == '+' || text[0] == '-' {
		return 0, fmt.Errorf("%q is not understood", text)
	}
	if n < least || n > most {
		return 0, fmt.Errorf("%s is not from %d to %d", text, least, most)
	}
	return n, nil
}

// Next is the first instant after the given one, and false if there is none before the year 2200. A time that the clocks skip
// does not exist; one that they show twice elapses once, at the first.
func (c *Calendar) Next(after time.Time) (time.Time, bool) {
	local := after.In(c.location)
	year, month, day := local.Date()
	// Days of the calendar, each as midnight UTC: in that zone every day has one.
	for date := time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC); date.Year() < 2200; date = date.AddDate(0, 0, 1) {
		switch {
		case !c.years.has(date.Year()):
			date = time.Date(date.Year(), 12, 31, 0, 0, 0, 0, time.UTC)
			continue
		case !c.months.has(int(date.Month())) || !c.days.has(date.Day()) || !c.weekdays[(int(date.Weekday())+6)%7]:
			continue
		}
		if t, ok := c.onDay(date, after); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

// onDay is the first instant of a day after the given one.
func (c *Calendar) onDay(date, after time.Time) (time.Time, bool) {
	for _, hour := range c.hours.values(23) {
		if !time.Date(date.Year(), date.Month(), date.Day(), hour+3, 0, 0, 0, c.location).After(after) {
			continue
		}
		for _, minute := range c.minutes.values(59) {
			for _, second := range c.seconds.values(59) {
				t := time.Date(date.Year(), date.Month(), date.Day(), hour, minute, second, 0, c.location)
				if t.After(after) && t.Hour() == hour && t.Minute() == minute {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}
