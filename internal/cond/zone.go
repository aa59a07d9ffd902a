package cond

import (
	"fmt"
	"sync"
	"time"
	_ "time/tzdata" // so that zones are known on machines that come without them

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// zoneFuncs are CEL's functions that take a timestamp apart in a time zone, by
// name and overload.
var zoneFuncs = []struct {
	name, overload string
	part           func(time.Time) int
}{
	{overloads.TimeGetFullYear, overloads.TimestampToYearWithTz, time.Time.Year},
	{overloads.TimeGetMonth, overloads.TimestampToMonthWithTz, func(t time.Time) int { return int(t.Month()) - 1 }},
	{overloads.TimeGetDayOfYear, overloads.TimestampToDayOfYearWithTz, func(t time.Time) int { return t.YearDay() - 1 }},
	{overloads.TimeGetDayOfMonth, overloads.TimestampToDayOfMonthZeroBasedWithTz, func(t time.Time) int { return t.Day() - 1 }},
	{overloads.TimeGetDate, overloads.TimestampToDayOfMonthOneBasedWithTz, time.Time.Day},
	{overloads.TimeGetDayOfWeek, overloads.TimestampToDayOfWeekWithTz, func(t time.Time) int { return int(t.Weekday()) }},
	{overloads.TimeGetHours, overloads.TimestampToHoursWithTz, time.Time.Hour},
	{overloads.TimeGetMinutes, overloads.TimestampToMinutesWithTz, time.Time.Minute},
	{overloads.TimeGetSeconds, overloads.TimestampToSecondsWithTz, time.Time.Second},
	{overloads.TimeGetMilliseconds, overloads.TimestampToMillisecondsWithTz, func(t time.Time) int { return t.Nanosecond() / 1e6 }},
}

// zones binds them anew: CEL's own read the zone from a file at every call.
func zones() []cel.EnvOption {
	var out []cel.EnvOption
	for _, f := range zoneFuncs {
		out = append(out, cel.Function(f.name,
			cel.MemberOverload(f.overload, []*cel.Type{cel.TimestampType, cel.StringType}, cel.IntType,
				cel.BinaryBinding(func(at, name ref.Val) ref.Val {
					zone, err := zoneOf(string(name.(types.String)))
					if err != nil {
						return types.WrapErr(err)
					}
					return types.Int(f.part(at.(types.Timestamp).In(zone)))
				}))))
	}
	return out
}

// known holds the zones that conditions name. Names are literals that Compile
// has seen, so it is as small as the policy is.
var known sync.Map // string to *time.Location

// zoneOf is a zone by its IANA name, or by its offset as in "+05:30".
func zoneOf(name string) (*time.Location, error) {
	if z, ok := known.Load(name); ok {
		return z.(*time.Location), nil
	}
	z, err := loadZone(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone", name)
	}
	known.Store(name, z)
	return z, nil
}

func loadZone(name string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", name); err == nil {
		_, offset := t.Zone()
		return time.FixedZone(name, offset), nil
	}
	if name == "" || name == "Local" { // would differ from node to node
		return nil, fmt.Errorf("no zone")
	}
	return time.LoadLocation(name)
}
