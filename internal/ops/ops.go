// Package ops is the front for operators: is the process alive, is it ready,
// and how is it doing. It tells nothing about images, people or policy beyond
// counts, so it asks nobody who they are; put it behind the network's own
// fence if even counts must stay inside.
//
// Run asks the same as /readyz once a second and writes each change to the
// process log, once: what broke, and when it held again.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config names what New needs.
type Config struct {
	Checks  []Check
	Version string
	Logger  *slog.Logger // nil discards
	// LogSize and Revision are read when metrics are, for two gauges.
	LogSize  func() int64
	Revision func() int64
}

// Ops serves /healthz, /readyz and /metrics.
type Ops struct {
	checks   []*check
	logger   *slog.Logger
	mux      *http.ServeMux
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	draining atomic.Bool
}

// Route is one route of the front.
type Route struct {
	Method, Pattern string
	Public          string // why it identifies nobody
	handler         func(*Ops) http.Handler
}

// Routes lists every route. None of them identifies the caller.
func Routes() []Route {
	const counts = "tells counts and health, nothing of images, people or policy"
	return []Route{
		{"GET", "/healthz", counts, func(o *Ops) http.Handler { return http.HandlerFunc(o.healthz) }},
		{"GET", "/readyz", counts, func(o *Ops) http.Handler { return http.HandlerFunc(o.readyz) }},
		{"GET", "/metrics", counts, func(o *Ops) http.Handler { return promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}) }},
	}
}

// New makes the front with a metrics registry of its own.
func New(c Config) (*Ops, error) {
	if c.LogSize == nil || c.Revision == nil {
		return nil, errors.New("ops: LogSize and Revision are needed")
	}
	o := &Ops{
		logger:   c.Logger,
		mux:      http.NewServeMux(),
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_http_requests_total", Help: "Requests answered, by front and status class.",
		}, []string{"front", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitrine_http_request_seconds", Help: "Time from request to the end of the answer, by front.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100},
		}, []string{"front"}),
	}
	if o.logger == nil {
		o.logger = slog.New(slog.DiscardHandler)
	}
	for _, one := range c.Checks {
		o.checks = append(o.checks, &check{Check: one})
	}
	for _, col := range []prometheus.Collector{
		o.requests, o.seconds,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "vitrine_log_entries", Help: "Entries in the log."},
			func() float64 { return float64(c.LogSize()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "vitrine_policy_revision", Help: "Revision of the policy in use."},
			func() float64 { return float64(c.Revision()) }),
	} {
		if err := o.registry.Register(col); err != nil {
			return nil, err
		}
	}
	for _, r := range Routes() {
		o.mux.Handle(r.Method+" "+r.Pattern, r.handler(o))
	}
	return o, nil
}

// ServeHTTP implements http.Handler.
func (o *Ops) ServeHTTP(w http.ResponseWriter, r *http.Request) { o.mux.ServeHTTP(w, r) }

// Drain makes /readyz say no from now on, so that no new work is sent here.
func (o *Ops) Drain() { o.draining.Store(true) }

func (o *Ops) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz answers 200 when every check holds, else 503; the body names each
// check with "ok" or a fixed sentence. Why it fails is for the process log:
// everybody may ask here.
func (o *Ops) readyz(w http.ResponseWriter, r *http.Request) {
	status, body := http.StatusOK, map[string]string{}
	if o.draining.Load() {
		status, body["draining"] = http.StatusServiceUnavailable, "the server is going down"
	}
	for i, err := range o.look(context.WithoutCancel(r.Context())) {
		c := o.checks[i]
		body[c.Name] = "ok"
		if err != nil {
			status, body[c.Name] = http.StatusServiceUnavailable, c.Fails
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Count wraps a front's handler so that its answers are counted and timed.
func (o *Ops) Count(front string, h http.Handler) http.Handler {
	seconds := o.seconds.WithLabelValues(front)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		cw := &counted{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			seconds.Observe(time.Since(start).Seconds())
			o.requests.WithLabelValues(front, strconv.Itoa(cw.status/100)+"xx").Inc()
		}()
		h.ServeHTTP(cw, r)
	})
}

type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
