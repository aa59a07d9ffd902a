package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine/internal/cli"
)

// run runs a verb against a server that answers with h. What verbs and the real
// server make of each other the scripts of cmd/vitrine tell; here is what a
// server cannot be made to do at will.
func run(t *testing.T, h http.HandlerFunc, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	var out, errs bytes.Buffer
	status = cli.Run(t.Context(), append(args, "--server", srv.URL, "--key", "vtr_user_x_y"), strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// problem answers what the real server would.
func problem(w http.ResponseWriter, status int, param, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "param": param, "detail": detail})
}

func pictures(t *testing.T, n int) []string {
	dir := t.TempDir()
	var all []string
	for i := range n {
		file := filepath.Join(dir, fmt.Sprintf("%d.png", i))
		if err := os.WriteFile(file, fmt.Appendf(nil, "picture %d", i), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, file)
	}
	return all
}

// A server that takes no more for now is asked again when it said, with the
// whole picture.
func TestPutWaits(t *testing.T) {
	waits := cli.Hurry(t)
	refusals, got := 0, []string{}
	files := pictures(t, 3)
	status, out, errs := run(t, func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		if len(got) == 1 && refusals < 2 {
			refusals++
			w.Header().Set("Retry-After", "7")
			problem(w, http.StatusTooManyRequests, "", "Too many requests.")
			return
		}
		got = append(got, b.String())
		fmt.Fprintf(w, `{"id":"img-%d","dataset":"d"}`, len(got))
	}, append([]string{"image", "put", "--dataset", "d"}, files...)...)
	if status != 0 || !slices.Equal(got, []string{"picture 0", "picture 1", "picture 2"}) {
		t.Errorf("status %d, got %q\n%s%s", status, got, out, errs)
	}
	if !slices.Equal(*waits, []time.Duration{7 * time.Second, 7 * time.Second}) {
		t.Errorf("waited %v", *waits)
	}
}

// It is not waited for without end; what is in is told, and where to go on.
func TestPutSaysWhatIsIn(t *testing.T) {
	cli.Hurry(t)
	files := pictures(t, 4)
	tests := []struct {
		name     string
		in       int // pictures that are taken
		status   int
		want     int
		wantLeft []string
	}{
		{"the server never takes more", 2, http.StatusTooManyRequests, 5, files[2:]},
		{"a picture is refused", 3, http.StatusBadRequest, 5, files[3:]},
		{"the first is refused: nothing was done", 0, http.StatusForbidden, 3, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			status, out, errs := run(t, func(w http.ResponseWriter, r *http.Request) {
				if n == tt.in {
					problem(w, tt.status, "", "No.")
					return
				}
				n++
				fmt.Fprintf(w, `{"id":"img-%d"}`, n)
			}, append([]string{"image", "put", "-o", "json"}, files...)...)
			if status != tt.want || !strings.Contains(errs, fmt.Sprintf("(%d of 4 are in)", tt.in)) {
				t.Errorf("status %d, want %d: %s", status, tt.want, errs)
			}
			if tt.in == 0 {
				if out != "" {
					t.Errorf("it answers %s", out)
				}
				return
			}
			var answer struct {
				Images []struct{ ID string }
				Left   []string
			}
			if err := json.Unmarshal([]byte(out), &answer); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if len(answer.Images) != tt.in || !slices.Equal(answer.Left, tt.wantLeft) {
				t.Errorf("answer %+v", answer)
			}
		})
	}
}

// With --from the same command goes on.
func TestPutGoesOn(t *testing.T) {
	files, n := pictures(t, 4), 0
	put := func(from string) (int, string, string) {
		return run(t, func(w http.ResponseWriter, r *http.Request) {
			n++
			fmt.Fprintf(w, `{"id":"img-%d"}`, n)
		}, append([]string{"image", "put", "--from", from}, files...)...)
	}
	if status, out, errs := put(files[2]); status != 0 || n != 2 || strings.Contains(out, files[1]) {
		t.Errorf("status %d, %d put: %s%s", status, n, out, errs)
	}
	if status, _, errs := put("other.png"); status != 2 || !strings.Contains(errs, "none of the pictures") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// One excess leaves several debts; one that may not be paid stops no other.
func TestPayAll(t *testing.T) {
	balances := `{"balances":[
		{"budget":"all","limit":"5","debt":"3"},
		{"budget":"each","subject":"ann","limit":"5","debt":"3"},
		{"budget":"each","subject":"bob","limit":"5"},
		{"budget":"theirs","limit":"5","debt":"1"}]}`
	var paid []string
	refused := "theirs"
	server := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/balances" {
			fmt.Fprint(w, balances)
			return
		}
		budget := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/budgets/"), "/pay-debt")
		if refused == "*" || budget == refused {
			problem(w, http.StatusForbidden, "", "Not yours.")
			return
		}
		var in struct{ Subject string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		paid = append(paid, budget+" "+in.Subject)
		fmt.Fprint(w, `{}`)
	}
	status, out, _ := run(t, server, "budget", "pay", "--all")
	if want := []string{"all ", "each ann"}; status != 5 || !slices.Equal(paid, want) {
		t.Errorf("status %d, paid %q, want %q", status, paid, want)
	}
	if !strings.Contains(out, "theirs") || !strings.Contains(out, "stays: Not yours.") {
		t.Errorf("it says %s", out)
	}
	refused = ""
	if status, _, errs := run(t, server, "budget", "pay", "--all", "-o", "json"); status != 0 {
		t.Errorf("status %d: %s", status, errs)
	}
	refused = "*"
	if status, _, _ := run(t, server, "budget", "pay", "--all"); status != 3 {
		t.Errorf("status %d where none may be paid, want 3", status)
	}
	balances = `{"balances":[]}`
	if status, out, _ := run(t, server, "budget", "pay", "--all"); status != 0 || !strings.Contains(out, "No debt") {
		t.Errorf("status %d: %s", status, out)
	}
	for _, args := range [][]string{{"budget", "pay"}, {"budget", "pay", "all", "--all"}, {"budget", "pay", "--all", "--subject", "x"}} {
		if status, _, errs := run(t, server, args...); status != 2 {
			t.Errorf("%v: status %d: %s", args, status, errs)
		}
	}
}

// Alerts are looked for page by page, back from where the others flags say.
func TestSearchAlert(t *testing.T) {
	var asked []string
	server := func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, q.Get("after")+" "+q.Get("actor"))
		from := 2500
		if q.Get("after") != "-1" {
			_, _ = fmt.Sscan(q.Get("after"), &from)
		}
		var page []string
		for seq := from - 1; seq >= 0 && len(page) < 1000; seq-- {
			alert := ""
			if seq%1000 == 7 {
				alert = "loud"
			}
			page = append(page, fmt.Sprintf(`{"seq":%d,"alert":%q,"outcome":"allowed"}`, seq, alert))
		}
		fmt.Fprintf(w, `{"entries":[%s],"next":%d}`, strings.Join(page, ","), from-len(page))
	}
	found := func(args ...string) string {
		t.Helper()
		status, out, errs := run(t, server, append([]string{"audit", "search", "-o", "json", "--actor", "eve"}, args...)...)
		var answer struct {
			Entries []struct{ Seq int }
			Next    int
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil || status != 0 {
			t.Fatalf("status %d, %v: %s", status, err, errs)
		}
		return fmt.Sprint(answer.Entries, answer.Next)
	}
	if got := found("--alert", "loud"); got != "[{2007} {1007} {7}] 0" {
		t.Errorf("got %s", got)
	}
	if want := []string{"-1 eve", "1500 eve", "500 eve"}; !slices.Equal(asked, want) {
		t.Errorf("asked after %q, want %q", asked, want)
	}
	if got := found("--alert", "any", "--limit", "2"); got != "[{2007} {1007}] 1007" {
		t.Errorf("got %s", got)
	}
	if got := found("--alert", "other"); got != "[] 0" {
		t.Errorf("got %s", got)
	}
}

// What a flag's value gets wrong is a mistake of usage, whoever finds it.
func TestWrongValues(t *testing.T) {
	server := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/links"):
			problem(w, http.StatusBadRequest, "ttl", "A link lives at most 1h0m0s.")
		case r.URL.Path == "/api/v1/keys":
			problem(w, http.StatusUnprocessableEntity, "body.cidrs[0]", "Not there.")
		default:
			problem(w, http.StatusBadRequest, "after", "No flag gave this.")
		}
	}
	tests := []struct {
		name string
		args []string
		want int
		says string
	}{
		{"outcome", []string{"audit", "search", "--outcome", "foo"}, 2, "--outcome foo: want allowed, refused, failed"},
		{"by", []string{"usage", "--by", "x"}, 2, "--by x: want principal"},
		{"network", []string{"key", "create", "--cidr", "10.0.0.0/99"}, 2, "--cidr 10.0.0.0/99"},
		{"rendition", []string{"image", "link", "img", "--rendition", "big"}, 2, "want original, masked, thumbnail"},
		{"kind", []string{"principal", "ls", "--kind", "robot"}, 2, "want user, service, group"},
		{"kind of provider", []string{"provider", "add", "--id", "x", "--kind", "robot"}, 2, "want openai, nanogpt, automatic1111, stability, studio"},
		{"what only the server knows", []string{"image", "link", "img", "--ttl", "2h"}, 2, "ttl: A link lives at most"},
		{"one of a list", []string{"key", "create", "--cidr", "10.0.0.0/8"}, 2, "Not there"},
		{"what the server says of no flag", []string{"image", "ls"}, 1, "No flag gave this"},
		{"what the server says of a flag that was not given", []string{"image", "link", "img"}, 1, "A link lives at most"},
		{"demo as JSON", []string{"demo", "--output", "json"}, 2, "has no JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			srv := httptest.NewServer(http.HandlerFunc(server))
			defer srv.Close()
			t.Setenv("VITRINE_SERVER", srv.URL)
			t.Setenv("VITRINE_KEY", "vtr_user_x_y")
			status := cli.Run(t.Context(), tt.args, strings.NewReader(""), &out, &errs)
			if status != tt.want || !strings.Contains(errs.String(), tt.says) {
				t.Errorf("status %d, want %d, with %q in:\n%s", status, tt.want, tt.says, errs.String())
			}
		})
	}
}

// Only where somebody else was faster it helps to look and to try again.
func TestConflictSaysWhatHelps(t *testing.T) {
	tests := []struct {
		code string
		want bool
	}{
		{"revision", true}, {"version", true}, {"precondition_failed", true},
		{"email_taken", false}, {"nothing_to_undo", false}, {"", false},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			status, _, errs := run(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusConflict)
				fmt.Fprintf(w, `{"status":409,"code":%q,"detail":"No."}`, tt.code)
			}, "key", "revoke", "k")
			if got := strings.Contains(errs, "try again"); status != 4 || got != tt.want {
				t.Errorf("status %d, says to try again %v, want %v: %s", status, got, tt.want, errs)
			}
		})
	}
}
