// Command gateway measures what the gateway adds to a request for an image.
//
// A mock of an image service answers at once, on loopback, with one picture.
// The same request goes to it directly, through a reverse proxy of Go's library
// that reads the request's body first (without which it loses answers), through
// nginx, and through Vitrine with everything on: key, decision, budget,
// classification, sealing, durable store and log. Each is a process of its own,
// and the load comes from this one.
//
// An answer of 4 KB or 1 MB is the body that the mock sends: JSON that holds a
// PNG in base64, so three quarters of it are picture.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vitrine.dev/vitrine/bench/internal/commit"
	"vitrine.dev/vitrine/bench/internal/house"
	"vitrine.dev/vitrine/bench/internal/load"
	"vitrine.dev/vitrine/bench/internal/measure"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve-mock" {
		serveMock(os.Args[2])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "serve-proxy" {
		serveProxy(os.Args[2], os.Args[3])
		return
	}
	measure.Main("gateway", run)
}

// The columns.
const (
	latency   = "latency"
	p99       = "99 of 100"
	perSecond = "requests/s"
	cpu       = "CPU a request"
	resident  = "resident at most"
)

// The sizes of answers.
const (
	short = 4 << 10
	long  = 1 << 20
)

func run(o *measure.Options, r *measure.Report) (err error) {
	ctx := context.Background()
	s, err := stage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, part := range []func(context.Context, *measure.Report) error{s.one, s.many, s.large, s.curve, s.row} {
		if err := part(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// bench is everything that runs while the gateway is measured.
type bench struct {
	o     *measure.Options
	mock  *process
	house *house.House
	bare  *commit.Bare
	all   []contestant
	ends  []func() error
}

// contestant is one way to the mock.
type contestant struct {
	name   string
	role   measure.Role
	target load.Target
	pids   func() ([]int, error)
}

const (
	ours    = "vitrine"
	direct  = "direct, no gateway"
	request = `{"model":"hidream","prompt":"a lighthouse in fog, seen from the sea","size":"1024x1024","n":1,"response_format":"b64_json"}`
	route   = "/v1/images/generations"
)

func stage(ctx context.Context, o *measure.Options) (_ *bench, err error) {
	s := &bench{o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	measure.Progress("build and start")
	if s.mock, err = s.start(ctx, "serve-mock"); err != nil {
		return nil, err
	}
	proxy, err := s.start(ctx, "serve-proxy", s.mock.address)
	if err != nil {
		return nil, err
	}
	bin, err := house.Build(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	if s.house, err = house.Start(ctx, bin, house.Config{Dir: filepath.Join(o.Dir, "house"), Upstream: "http://" + s.mock.address + "/v1"}); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, s.house.Close)
	if s.bare, err = commit.SQLite(o.Dir); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, s.bare.Close)
	post := func(at string) load.Target { return load.Post(at, route, "sk-mock", request) }
	s.all = []contestant{
		{direct, measure.Limit, post(s.mock.address), nil},
		{"httputil.ReverseProxy", measure.Peer, post(proxy.address), func() ([]int, error) { return []int{proxy.pid}, nil }},
	}
	nginx, err := s.nginx(ctx)
	if err != nil {
		return nil, err
	}
	if nginx != nil {
		s.all = append(s.all, contestant{"nginx", measure.Peer, post(nginx.address), nginx.workers})
	}
	s.all = append(s.all, contestant{ours, measure.Ours, load.Post(s.house.Address, route, s.house.User, request),
		func() ([]int, error) { return []int{s.house.PID}, nil }})
	return s, nil
}

func (s *bench) close() error {
	var all []error
	for i := len(s.ends) - 1; i >= 0; i-- {
		all = append(all, s.ends[i]())
	}
	return errors.Join(all...)
}

// answers sets how long the mock's answers are, and with them the least that
// every contestant must pass on: the picture.
func (s *bench) answers(ctx context.Context, bytes int64) error {
	if err := s.mock.set(ctx, bytes); err != nil {
		return err
	}
	for i := range s.all {
		s.all[i].target.Bytes = bytes * 9 / 10
	}
	return nil
}

// pick is one number in a full run and another in a quick one.
func pick[T any](s *bench, full, quick T) T {
	if s.o.Quick {
		return quick
	}
	return full
}

// one asks one after the other: what a caller waits longer.
func (s *bench) one(ctx context.Context, r *measure.Report) error {
	measure.Progress("one connection, 4 KB")
	if err := s.answers(ctx, short); err != nil {
		return err
	}
	n := pick(s, 1000, 200)
	t := &measure.Table{Name: "one", Title: "4 KB answers, one connection", Columns: []measure.Column{{Name: latency, Unit: "ns"}, {Name: p99, Unit: "ns"}}}
	var rows []measure.Contestant
	for _, c := range s.all {
		rows = append(rows, measure.Contestant{Name: c.name, Role: c.role, Run: func() (measure.Sample, error) {
			got, err := load.Times(ctx, c.target, 1, n)
			if err != nil {
				return nil, err
			}
			return measure.Sample{latency: got.Quantile(0.5), p99: got.Quantile(0.99)}, nil
		}})
	}
	const durable = "one durable commit, SQLite"
	rows = append(rows, measure.Contestant{Name: durable, Role: measure.Limit, Run: func() (measure.Sample, error) {
		all, err := measure.Times(n/2, func(int) error { return s.bare.Commit() })
		return measure.Sample{latency: float64(measure.Quantile(all, 0.5)), p99: float64(measure.Quantile(all, 0.99))}, err
	}})
	if err := t.Rounds(s.o.Rounds, rows...); err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	added := t.Of(ours, latency) - t.Of(direct, latency)
	r.AtMost("4 KB: added at one connection, beyond two durable commits", "ns", added-2*t.Of(durable, latency), 0.30e6)
	r.Notes = append(r.Notes, fmt.Sprintf("At one connection Vitrine adds %s to an answer of 4 KB; two durable commits took %s of that.",
		measure.Format(added, "ns"), measure.Format(2*t.Of(durable, latency), "ns")))
	return nil
}

// many asks from 64 connections: what the machine can take.
func (s *bench) many(ctx context.Context, r *measure.Report) error {
	measure.Progress("64 connections, 4 KB")
	t, err := s.loaded(ctx, "many", "4 KB answers, 64 connections", 64)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	r.AtLeast("4 KB: requests a second at 64 connections", "/s", t.Of(ours, perSecond), 3000)
	r.AtMost("4 KB: CPU of a request at 64 connections", "ns", t.Of(ours, cpu), 350e3)
	return nil
}

// large asks for answers of a megabyte.
func (s *bench) large(ctx context.Context, r *measure.Report) error {
	measure.Progress("1 MB")
	if err := s.answers(ctx, long); err != nil {
		return err
	}
	n := pick(s, 200, 50)
	t := &measure.Table{Name: "large-one", Title: "1 MB answers, one connection", Columns: []measure.Column{{Name: latency, Unit: "ns"}, {Name: p99, Unit: "ns"}}}
	var rows []measure.Contestant
	for _, c := range s.all {
		rows = append(rows, measure.Contestant{Name: c.name, Role: c.role, Run: func() (measure.Sample, error) {
			got, err := load.Times(ctx, c.target, 1, n)
			if err != nil {
				return nil, err
			}
			return measure.Sample{latency: got.Quantile(0.5), p99: got.Quantile(0.99)}, nil
		}})
	}
	if err := t.Rounds(s.o.Rounds, rows...); err != nil {
		return err
	}
	many, err := s.loaded(ctx, "large-many", "1 MB answers, 16 connections", 16)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t, many)
	r.AtMost("1 MB: added at one connection", "ns", t.Of(ours, latency)-t.Of(direct, latency), 4e6)
	r.AtLeast("1 MB: requests a second at 16 connections", "/s", many.Of(ours, perSecond), 280)
	r.AtMost("1 MB: resident memory at 16 connections", "bytes", many.Of(ours, resident), 200<<20)
	return s.answers(ctx, short)
}

// loaded is a table at a number of connections.
func (s *bench) loaded(ctx context.Context, name, title string, connections int) (*measure.Table, error) {
	t := &measure.Table{Name: name, Title: title, Columns: []measure.Column{
		{Name: perSecond, Unit: "/s", More: true}, {Name: latency, Unit: "ns"}, {Name: p99, Unit: "ns"}, {Name: cpu, Unit: "ns"}, {Name: resident, Unit: "bytes"},
	}}
	var rows []measure.Contestant
	for _, c := range s.all {
		rows = append(rows, measure.Contestant{Name: c.name, Role: c.role, Run: func() (measure.Sample, error) {
			return s.sample(ctx, &c, connections, pick(s, 2*time.Second, 700*time.Millisecond))
		}})
	}
	return t, t.Rounds(s.o.Rounds, rows...)
}

func (s *bench) sample(ctx context.Context, c *contestant, connections int, about time.Duration) (measure.Sample, error) {
	var pids []int
	if c.pids != nil {
		var err error
		if pids, err = c.pids(); err != nil {
			return nil, err
		}
	}
	before, err := measure.UsageOf(pids...)
	if err != nil {
		return nil, err
	}
	got, err := load.For(ctx, c.target, connections, about)
	if err != nil {
		return nil, err
	}
	after, err := measure.UsageOf(pids...)
	if err != nil {
		return nil, err
	}
	out := measure.Sample{perSecond: got.PerSecond(), latency: got.Quantile(0.5), p99: got.Quantile(0.99)}
	if pids != nil {
		out[cpu] = float64(after.CPU-before.CPU) / float64(got.Count)
		out[resident] = float64(after.Peak)
	}
	return out, nil
}

// curve is latency against load.
func (s *bench) curve(ctx context.Context, r *measure.Report) error {
	measure.Progress("latency against load")
	c := &measure.Curve{Name: "latency", Title: "Median latency of a 4 KB answer, by connections", X: "connections", Y: "ns"}
	for n := 1; n <= pick(s, 256, 64); n *= pick(s, 2, 4) {
		runs := make([][]float64, len(s.all))
		for range pick(s, 3, 1) {
			for i := range s.all {
				got, err := load.For(ctx, s.all[i].target, n, pick(s, time.Second, 300*time.Millisecond))
				if err != nil {
					return err
				}
				runs[i] = append(runs[i], got.Quantile(0.5))
			}
		}
		for i, x := range s.all {
			c.Add(x.name, x.role, float64(n), measure.Median(runs[i]))
		}
	}
	r.Curves = append(r.Curves, c)
	return nil
}

// row asks ten thousand times over one connection; each answer must be whole.
func (s *bench) row(ctx context.Context, r *measure.Report) error {
	n := pick(s, 10_000, 1_000)
	measure.Progress("%d in a row", n)
	got, err := load.Times(ctx, s.all[len(s.all)-1].target, 1, n)
	if err != nil {
		return fmt.Errorf("%d in a row: %w", n, err)
	}
	r.AtLeast(fmt.Sprintf("whole answers of %d in a row over one connection", n), "", float64(got.Count), float64(n))
	return nil
}
