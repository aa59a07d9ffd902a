package main

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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vitrine": main})
}

// TestScripts runs what people and programs do with the binary, as scripts with
// a server and several clients. Beside the usual commands there are
//
//	free VAR                 sets VAR to a free address of loopback
//	ready URL                waits until a server is ready
//	office POLICY [FLAG...]  makes an installation in data/, serves it, enrols the
//	                         owners, applies a policy as the first, and issues
//	                         keys for ann, bob, carol, eve and ian; then there
//	                         are $VITRINE_SERVER, $ALICE, $ADAM, $ANN, $BOB, ...
//	sigterm                  sends SIGTERM to what runs in the background
//	set VAR FILE PATH        sets VAR to a field of a JSON file
//	json FILE PATH [VALUE]   compares a field of a JSON file; without a value it
//	                         is there; with ! it is not, or differs
//	get STATUS KEY URL       is curl: the body is stdout
//	post STATUS KEY URL FILE [HEADER...]
//	line FILE OUT drop N | swap N M | cut N | sub N OLD NEW
//	                         forges a file: lines count from 1
//	public PATH...           copies files or directories of this repository
//
// FILE may be stdout or stderr, PATH is as in owners.0.key or owners.len. A script's name
// begins with what it is about; hole_*.txtar tell of mistakes that were made.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"free": free, "ready": ready, "office": office(t), "sigterm": sigterm, "set": set, "json": compare,
			"get": get, "post": post, "line": forge, "public": public,
		},
		RequireUniqueNames: true,
	})
}

// args checks how many a command got.
func args(ts *testscript.TestScript, neg, may bool, all []string, least, most int, how string) {
	if neg && !may || len(all) < least || len(all) > most {
		ts.Fatalf("usage: %s", how)
	}
}

func free(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 1, 1, "free VAR")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(a[0], ln.Addr().String())
	ts.Check(ln.Close())
}

// patience is how long a server may take to be ready.
const patience = 30 * time.Second

func ready(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 1, 1, "ready URL")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, "GET", a[0]+"/readyz", nil)
		ts.Check(err)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			ts.Check(resp.Body.Close())
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%s is not ready", a[0])
		}
	}
}

// office makes an installation in data/, serves it, enrols both owners, applies
// the policy and issues the keys. When the script ends the server is told to
// stop, and must end well.
func office(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, a []string) {
		args(ts, neg, false, a, 1, 9, "office POLICY [FLAG...]")
		ts.Check(ts.Exec("vitrine", "init", "--data", "data", "--owner-email", "alice@example.com", "--owner-email", "adam@example.com", "--output", "json"))
		ts.Check(os.WriteFile(ts.MkAbs("init.json"), []byte(ts.ReadFile("stdout")), 0o600))
		free(ts, false, []string{"ADDR"})
		ts.Setenv("VITRINE_SERVER", "http://"+ts.Getenv("ADDR"))
		t.Helper()
		begin(t, ts, append([]string{"serve", "--data", ts.MkAbs("data"), "--listen", ts.Getenv("ADDR")}, a[1:]...))
		ready(ts, false, []string{ts.Getenv("VITRINE_SERVER")})
		for i, owner := range []string{"ALICE", "ADAM"} {
			ts.Setenv(owner, field(ts, "init.json", fmt.Sprintf("owners.%d.key", i)))
			ts.Check(ts.Exec("vitrine", "whoami", "--key", ts.Getenv(owner)))
		}
		ts.Check(ts.Exec("vitrine", "policy", "apply", "-f", a[0], "--yes", "--key", ts.Getenv("ALICE")))
		for _, who := range []string{"ann", "bob", "carol", "eve", "ian"} {
			ts.Check(ts.Exec("vitrine", "key", "create", "--principal", who, "--key", ts.Getenv("ALICE"), "--output", "json"))
			ts.Setenv(strings.ToUpper(who), field(ts, "stdout", "key"))
		}
	}
}

// begin runs the binary until the script ends.
func begin(t *testing.T, ts *testscript.TestScript, args []string) {
	name, err := exec.LookPath(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "vitrine"))
	ts.Check(err)
	var log bytes.Buffer
	c := exec.Command(name, args...)
	c.Env, c.Dir, c.Stderr = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}, ts.Getenv("WORK"), &log
	ts.Check(c.Start())
	ts.Defer(func() {
		if err := errors.Join(c.Process.Signal(syscall.SIGTERM), c.Wait()); err != nil {
			t.Errorf("%s: the server did not end well: %v\n%s", ts.Name(), err, log.String())
		}
	})
}

func sigterm(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 0, 0, "sigterm")
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// field finds a field of a JSON file.
func field(ts *testscript.TestScript, file, path string) string {
	v, ok := find(ts, file, path)
	if !ok {
		ts.Fatalf("%s has no %s", file, path)
	}
	return v
}

func find(ts *testscript.TestScript, file, path string) (string, bool) {
	var v any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s is no JSON: %v", file, err)
	}
	for _, name := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return "", false
			}
			v = next
		case []any:
			if name == "len" {
				v = json.Number(strconv.Itoa(len(at)))
				continue
			}
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return "", false
			}
			v = at[i]
		default:
			return "", false
		}
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	b, err := json.Marshal(v)
	ts.Check(err)
	return string(b), true
}

func set(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 3, 3, "set VAR FILE PATH")
	ts.Setenv(a[0], field(ts, a[1], a[2]))
}

func compare(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, true, a, 2, 3, "[!] json FILE PATH [VALUE]")
	got, ok := find(ts, a[0], a[1])
	want := "anything"
	if len(a) == 3 {
		want, ok = a[2], ok && got == a[2]
	}
	if ok == neg {
		ts.Fatalf("%s: %s is %q; negated %t, want %q", a[0], a[1], got, neg, want)
	}
}

func get(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 3, 3, "get STATUS KEY URL")
	ask(ts, "GET", a[0], a[1], a[2], nil, nil)
}

func post(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 4, 20, "post STATUS KEY URL FILE [HEADER...]")
	ask(ts, "POST", a[0], a[1], a[2], strings.NewReader(ts.ReadFile(a[3])), a[4:])
}

// ask makes one request, as curl does.
func ask(ts *testscript.TestScript, method, status, key, url string, body *strings.Reader, headers []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if body != nil {
		r, err = http.NewRequestWithContext(ctx, method, url, body)
	}
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ": ")
		if !ok {
			ts.Fatalf("header %q: want name: value", h)
		}
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	var got bytes.Buffer
	_, err = got.ReadFrom(resp.Body)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	_, err = ts.Stdout().Write(got.Bytes())
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != status {
		ts.Fatalf("%s %s: status %d, want %s\n%.2000s", method, url, resp.StatusCode, status, got.String())
	}
}

// forge changes a file as somebody might who wants the log to say something
// else.
func forge(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 4, 6, "line FILE OUT drop N | swap N M | cut N | sub N OLD NEW")
	lines := strings.SplitAfter(strings.TrimSuffix(ts.ReadFile(a[0]), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > len(lines) {
			ts.Fatalf("%s has %d lines, not a line %s", a[0], len(lines), s)
		}
		return n - 1
	}
	n := number(a[3])
	switch {
	case a[2] == "drop":
		lines = append(lines[:n:n], lines[n+1:]...)
	case a[2] == "swap" && len(a) == 5:
		m := number(a[4])
		lines[n], lines[m] = lines[m], lines[n]
	case a[2] == "cut":
		lines = lines[:n]
	case a[2] == "sub" && len(a) == 6:
		if !strings.Contains(lines[n], a[4]) {
			ts.Fatalf("line %s of %s has no %q: %s", a[3], a[0], a[4], lines[n])
		}
		lines[n] = strings.Replace(lines[n], a[4], a[5], 1)
	default:
		ts.Fatalf("line: there is no %s with %d arguments", a[2], len(a)-3)
	}
	ts.Check(os.WriteFile(ts.MkAbs(a[1]), []byte(strings.Join(lines, "")), 0o600))
}

func public(ts *testscript.TestScript, neg bool, a []string) {
	args(ts, neg, false, a, 1, 20, "public PATH...")
	for _, path := range a {
		from, to := filepath.Join(root, path), ts.MkAbs(filepath.Base(path))
		st, err := os.Stat(from)
		ts.Check(err)
		if st.IsDir() {
			ts.Check(os.CopyFS(to, os.DirFS(from)))
			continue
		}
		b, err := os.ReadFile(from)
		ts.Check(err)
		ts.Check(os.WriteFile(to, b, 0o600))
	}
}

// root is this repository; tests run in their package's directory.
var root = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err) // there is no working directory
	}
	return dir
}()
