package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/config"
)

func TestNothingSaidIsSafe(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c, err := config.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "vitrine-data")
	want := [4]string{data, "127.0.0.1:8420", data + ".kek", data + "-checkpoints"}
	if got := [4]string{c.Data, c.Listen, c.KeyFile, c.Checkpoints}; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.AllowPrivateProviders || c.Database != "" || len(c.TrustedProxies) > 0 {
		t.Errorf("not the safe way: %v", c)
	}
}

func TestLaterWins(t *testing.T) {
	file := write(t, "data: /srv/file\nlisten: 127.0.0.1:1\nlog_level: warn\ntrusted_proxies: [10.0.0.0/8]\n")
	c, err := config.Load(file, []string{"VITRINE_LISTEN=127.0.0.1:2", "VITRINE_LISTEN=127.0.0.1:3", "VITRINE_LOG_LEVEL=", "OTHER=x",
		"VITRINE_TRUSTED_PROXIES=192.0.2.0/24,198.51.100.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/srv/file" || c.Listen != "127.0.0.1:3" || c.LogLevel != "warn" || c.KeyFile != "/srv/file.kek" {
		t.Errorf("got %v", c)
	}
	if want := []string{"192.0.2.0/24", "198.51.100.0/24"}; !reflect.DeepEqual(c.TrustedProxies, want) {
		t.Errorf("proxies %q", c.TrustedProxies)
	}
	from := map[string]string{}
	for _, s := range c.Settings() {
		from[s.Name] = s.From
	}
	for name, want := range map[string]string{"data": file, "listen": "VITRINE_LISTEN", "log_level": file, "max_upload": "default"} {
		if from[name] != want {
			t.Errorf("%s from %q, want %q", name, from[name], want)
		}
	}
	byFlag, err := config.Load(file, []string{"VITRINE_LISTEN=127.0.0.1:2"}, "VITRINE_LISTEN=127.0.0.1:4")
	if err != nil || byFlag.Listen != "127.0.0.1:4" {
		t.Errorf("a flag does not win: %v, %v", byFlag, err)
	}
	if _, err := config.Load("", nil, "VITRINE_LISTEN=foo"); err == nil || !strings.Contains(err.Error(), "listen (from --listen)") {
		t.Errorf("a wrong flag is told of as %v", err)
	}
	byEnv, err := config.Load("", []string{"VITRINE_CONFIG=" + file})
	if err != nil || byEnv.Data != "/srv/file" {
		t.Errorf("file by VITRINE_CONFIG: %v, %v", byEnv, err)
	}
}

func TestWrong(t *testing.T) {
	tests := []struct {
		name, file string
		environ    []string
		want       []string
	}{
		{"unknown setting", "data: x\nlisen: y\n", nil, []string{":2:1: unknown field \"lisen\"", "listen"}},
		{"no YAML", "data: [", nil, []string{":1:7:"}},
		{"wrong type", "max_upload: much\n", nil, []string{":1:13:"}},
		{"wrong type in the environment", "", []string{"VITRINE_MAX_UPLOAD=much"}, []string{"VITRINE_MAX_UPLOAD: want a value such as 67108864"}},
		{"all at once", "", []string{"VITRINE_LISTEN=here", "VITRINE_LOG_LEVEL=loud", "VITRINE_TLS_CERT=c", "VITRINE_PUBLIC_URL=images", "VITRINE_DATABASE=mysql://x",
			"VITRINE_TRUSTED_PROXIES=all", "VITRINE_RATE_PER_MINUTE=-1", "VITRINE_MAX_UPLOAD=-1"},
			[]string{"listen (from VITRINE_LISTEN)", "loud", "belong together", "public_url", "database", `"all"`, "rate_per_minute", "max_upload"}},
		{"keys in clear", "listen: :8420\n", nil, []string{"keys would travel in clear"}},
		{"a mirror that is none", "checkpoints_mirror: ftp://x\n", nil, []string{"s3://bucket/prefix"}},
		{"a mirror in the checkpoints' place", "checkpoints: /srv/c\ncheckpoints_mirror: /srv/c\n", nil, []string{"a directory of its own"}},
		{"a bucket that is none", "blobs: https://s3.example.com/pictures\n", nil, []string{"blobs", "s3://"}},
		{"credentials in the bucket's URL", "blobs: s3://key:hunter2@pictures\n", nil, []string{"blobs_credentials"}},
		{"a window below nothing", "restore_window: -1h\n", nil, []string{"restore_window"}},
		{"a window that is no time", "restore_window: soon\n", nil, []string{`"soon" is no length of time`}},
		{"tiles that go nowhere", "checkpoints_tiles: true\n", nil, []string{"give checkpoints_mirror"}},
		{"a webhook that is none", "checkpoints_webhook: hooks\n", nil, []string{"want an address"}},
		{"a webhook in clear", "checkpoints_webhook: http://127.0.0.1/x\n", nil, []string{"allow_private_providers"}},
		{"a webhook without a secret", "checkpoints_webhook: https://hooks.example.com/x\n", nil, []string{"checkpoints_webhook_secret"}},
		{"the root as data", "data: /\n", nil, []string{"cannot be the data directory"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := ""
			if tt.file != "" {
				file = write(t, tt.file)
			}
			c, err := config.Load(file, tt.environ)
			if err == nil {
				t.Fatalf("no error; got %v", c)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
	if _, err := config.Load("/nowhere/vitrine.yaml", nil); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing file: %v", err)
	}
}

func TestListenBeyondLoopback(t *testing.T) {
	for _, environ := range [][]string{
		{"VITRINE_LISTEN=:8443", "VITRINE_TLS_CERT=c", "VITRINE_TLS_KEY=k"},
		{"VITRINE_LISTEN=0.0.0.0:80", "VITRINE_TRUSTED_PROXIES=10.0.0.0/8"},
		{"VITRINE_LISTEN=[::1]:80"},
		{"VITRINE_LISTEN=localhost:80"},
	} {
		if _, err := config.Load("", environ); err != nil {
			t.Errorf("%q: %v", environ, err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	for _, db := range []string{"postgres://u:hunter2@db/x", "postgres://u@db/x?password=hunter2&sslpassword=hunter2"} {
		c, err := config.Load("", []string{"VITRINE_DATABASE=" + db})
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprintf("%v %+v %#v %s %v", c, c, c, c, c.LogValue())
		if strings.Contains(all, "hunter2") || !strings.Contains(all, "[set]") {
			t.Errorf("prints %s", all)
		}
		if c.Database != db {
			t.Errorf("the URL itself changed: %s", c.Database)
		}
	}
	hook, err := config.Load("", []string{"VITRINE_CHECKPOINTS_WEBHOOK=https://hooks.example.com/T1/hunter2", "VITRINE_CHECKPOINTS_WEBHOOK_SECRET=s"})
	if err != nil {
		t.Fatal(err)
	}
	if all := hook.String(); strings.Contains(all, "hunter2") || !strings.Contains(all, "https://hooks.example.com/[set]") {
		t.Errorf("prints %s", all)
	}
	_, err = config.Load(write(t, "database: postgres://u:hunter2@db/x\nlisen: x\n"), nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vitrine.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
