// Package house is an installation to measure: the program built as it is
// shipped, initialized in a directory of its own and served by a process of its
// own, with people, keys, a provider and a policy in which everything is on.
//
// It uses the program as an operator does, by its verbs; nothing is reached
// into, so what is measured is what is run.
package house

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// House is an installation, and the process that serves it.
type House struct {
	Address string // host:port
	Owner   string // key of an owner
	User    string // key of a person who may generate and open
	PID     int

	dir, bin string
	args     []string // of serve
	server   *exec.Cmd
	log      *os.File
}

// Config is what an installation is made with.
type Config struct {
	Dir      string // for the data
	Upstream string // base URL of a service that speaks as OpenAI does; "" is none
	Policy   string // put in place of the usual one; "" is that
}

// Build builds the program into a directory and answers where it is. Where
// VITRINE_BIN names a program, that one is measured: to compare with another.
func Build(ctx context.Context, dir string) (string, error) {
	if bin := os.Getenv("VITRINE_BIN"); bin != "" {
		return bin, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "vitrine")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "./cmd/vitrine")
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build vitrine: %w\n%s", err, out)
	}
	return bin, nil
}

// Root is the directory of the main module: the one above this module's.
func Root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "vitrine.dev/vitrine").Output()
	if err != nil {
		return "", fmt.Errorf("find the main module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

const policy = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
%s
people:
  ann: {email: ann@example.com}
roles:
  maker:
    name: Maker
    grants:
      - {permissions: [model.generate]}
      - {permissions: [image.create, image.open, dataset.view], categories: [generated], tiers: <= internal}
groups:
  makers: {members: [ann]}
bindings:
  - {role: maker, principal: makers, scope: renders}
budgets:
  all: {kind: organization, window: month, limit: 1000000}
  renders: {kind: project, subject: renders, window: month, limit: 1000000}
  each-person: {kind: principal, each: true, window: day, limit: 1000000}
`

const deployment = `    deployments:
      hidream: {provider: upstream, price: 0.0001}`

// Start makes an installation and serves it. Close it.
func Start(ctx context.Context, bin string, c Config) (_ *House, err error) {
	h := &House{dir: c.Dir, bin: bin}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	data := h.Data()
	var made struct{ Owners []struct{ Key string } }
	if err := h.run(ctx, &made, "init", "--data", data, "--owner-email", "a@example.com", "--owner-email", "b@example.com", "--output", "json"); err != nil {
		return nil, err
	}
	if h.Address, err = Free(); err != nil {
		return nil, err
	}
	h.args = []string{"serve", "--data", data, "--listen", h.Address, "--allow-private-providers", "--log-level", "error"}
	if err := h.Serve(ctx); err != nil {
		return nil, err
	}
	for _, o := range made.Owners { // their first keys enrol them
		if err := h.run(ctx, nil, "whoami", "--server", h.URL(), "--key", o.Key); err != nil {
			return nil, err
		}
	}
	h.Owner = made.Owners[0].Key
	return h, h.furnish(ctx, c)
}

// furnish adds the provider, the policy and a key.
func (h *House) furnish(ctx context.Context, c Config) error {
	text, places := c.Policy, ""
	if c.Upstream != "" {
		secret := filepath.Join(h.dir, "secret")
		if err := os.WriteFile(secret, []byte("sk-mock\n"), 0o600); err != nil {
			return err
		}
		if err := h.Do(ctx, nil, "provider", "add", "--kind", "openai", "--id", "upstream", "--base-url", c.Upstream, "--credential-file", secret); err != nil {
			return err
		}
		places = deployment
	}
	if text == "" {
		text = fmt.Sprintf(policy, places)
	}
	file := filepath.Join(h.dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if err := h.Do(ctx, nil, "policy", "apply", "-f", file, "--yes"); err != nil {
		return err
	}
	var err error
	h.User, err = h.Key(ctx, "ann", "--project", "renders", "--dataset", "drafts")
	return err
}

// Key issues a key of somebody.
func (h *House) Key(ctx context.Context, principal string, narrowed ...string) (string, error) {
	var key struct{ Key string }
	err := h.Do(ctx, &key, append([]string{"key", "create", "--principal", principal}, narrowed...)...)
	return key.Key, err
}

// Data is the data directory.
func (h *House) Data() string { return filepath.Join(h.dir, "data") }

// URL is where it is served.
func (h *House) URL() string { return "http://" + h.Address }

// Do runs a verb against the server as an owner and reads its JSON into v, where
// v is not nil.
func (h *House) Do(ctx context.Context, v any, args ...string) error {
	return h.run(ctx, v, append(args, "--server", h.URL(), "--key", h.Owner, "--output", "json")...)
}

func (h *House) run(ctx context.Context, v any, args ...string) error {
	out, err := h.Output(ctx, args...)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("vitrine %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// Output runs a verb and answers what it prints.
func (h *House) Output(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, h.bin, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("vitrine %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// Serve starts the server again, after Close.
func (h *House) Serve(ctx context.Context) (err error) {
	if h.log, err = os.OpenFile(filepath.Join(h.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	h.server = exec.Command(h.bin, h.args...)
	h.server.Stderr = h.log
	// Nobody but one person asks here, and no rate is a limit for her.
	h.server.Env = append(os.Environ(), "VITRINE_RATE_PER_MINUTE=0")
	if err := h.server.Start(); err != nil {
		return err
	}
	h.PID = h.server.Process.Pid
	return Ready(ctx, h.URL()+"/readyz")
}

// Close ends the server and reports what it said if it did not end well.
func (h *House) Close() error {
	if h.server == nil || h.server.Process == nil {
		return nil
	}
	err := errors.Join(h.server.Process.Signal(syscall.SIGTERM), h.server.Wait())
	if h.log != nil {
		err = errors.Join(err, h.log.Close())
	}
	h.server = nil
	if err == nil {
		return nil
	}
	said, _ := os.ReadFile(filepath.Join(h.dir, "server.log")) // for the message only
	return fmt.Errorf("the server did not end well: %w\n%s", err, said)
}

// Free is an address on loopback where nobody listens.
func Free() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Ready waits until a URL answers 200.
func Ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get(url)
		if err == nil {
			err = resp.Body.Close()
		}
		if err == nil && resp.StatusCode == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", url, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}
