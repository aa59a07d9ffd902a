package plot_test

import (
	"encoding/xml"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/bench/internal/plot"
)

func TestSVG(t *testing.T) {
	c := &measure.Curve{Name: "x", Title: "A < B", X: "bindings", Y: "decisions/s"}
	for i, x := range []float64{40, 400, 4000} {
		c.Add("ours", measure.Ours, x, 9e6-float64(i))
		c.Add("the limit", measure.Limit, x, 9.1e6)
		c.Add("a & b", measure.Peer, x, 1000/x)
	}
	text := string(plot.SVG(c))
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	for _, want := range []string{"A &lt; B", "a &amp; b", "prefers-color-scheme: dark", ">4,000<", ">10 M/s<"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	var at []float64 // where the names stand
	for _, m := range regexp.MustCompile(`class="name [^"]*" x="[^"]*" y="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		y, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, y)
	}
	if len(at) != 3 {
		t.Fatalf("got %d names, want 3", len(at))
	}
	if apart := at[0] - at[1]; apart > -14 && apart < 14 {
		t.Errorf("two names stand on each other, at %v and %v", at[0], at[1])
	}
}
