package measure

import (
	"math"
	"strconv"
	"strings"
)

// Format writes a figure for people, with three digits that count. The units
// are ns, bytes, bytes/s, /s, × and "" for a count.
func Format(v float64, unit string) string {
	switch unit {
	case "ns":
		return scaled(v, 1000, "ns", "µs", "ms", "s")
	case "bytes":
		return scaled(v, 1024, "B", "KB", "MB", "GB")
	case "bytes/s":
		return scaled(v, 1024, "B/s", "KB/s", "MB/s", "GB/s")
	case "/s":
		return scaled(v, 1000, "/s", "k/s", "M/s", "G/s")
	case "×":
		return number(v) + " ×"
	case "%":
		return number(v) + " %"
	}
	if v == math.Trunc(v) {
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	}
	return number(v)
}

func scaled(v, step float64, units ...string) string {
	i := 0
	for math.Abs(v) >= step && i < len(units)-1 {
		v /= step
		i++
	}
	return number(v) + " " + units[i]
}

// number is v with three digits that count, and thousands apart.
func number(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	s := strconv.FormatFloat(v, 'f', min(digits, 7), 64)
	if digits == 0 {
		return thousands(s)
	}
	return s
}

func thousands(s string) string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 && c != '-' && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
