// Package config is the configuration: one YAML file, VITRINE_ variables in the
// environment, and the few flags that package cli turns into such variables.
// A later one of these wins: default, file, environment, flag.
//
// With no configuration at all the result is safe: loopback only, SQLite, the
// key-encryption key and the log's checkpoints beside the data directory and
// not in it. Load reports everything that is wrong at once, and refuses rather
// than guesses. docs/config.md and examples/vitrine.yaml are generated from
// Config's comments.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/goccy/go-yaml"

	"vitrine.dev/vitrine"
)

// Config is every setting. The first sentence of each comment is what the
// setting means; each is in the file under the name in its yaml tag and in the
// environment under VITRINE_ and the name in its env tag.
type Config struct {
	// Directory that holds the database and the sealed images, mode 0700.
	Data string `yaml:"data" env:"DATA" example:"/var/lib/vitrine"`

	// Address to listen on. Beyond loopback it needs a certificate, or trusted
	// proxies that end TLS: keys travel in headers.
	Listen string `yaml:"listen" env:"LISTEN" example:"127.0.0.1:8420"`

	// Database. Empty is SQLite in the data directory; otherwise the URL of a
	// PostgreSQL 15 or newer.
	Database string `yaml:"database" env:"DATABASE" example:"postgres://vitrine@db/vitrine"`

	// Bucket for the larger sealed images. Empty is the data directory; with a
	// bucket that every node reaches, and PostgreSQL, several nodes serve the same
	// images. Parameters of the URL: endpoint, region, auth=role, allow_http=true.
	Blobs string `yaml:"blobs" env:"BLOBS" example:"s3://pictures/vitrine?endpoint=https://s3.example.com&region=eu-central-1"`

	// File with the bucket's credentials, mode 0600, in lines as
	// aws_access_key_id = KEY. Empty is AWS_ACCESS_KEY_ID and
	// AWS_SECRET_ACCESS_KEY in the environment.
	BlobsCredentials string `yaml:"blobs_credentials" env:"BLOBS_CREDENTIALS" example:"/etc/vitrine/s3"`

	// For how long a deleted image may be restored. Then its key is destroyed; 0
	// destroys it at once. A dataset may say otherwise.
	RestoreWindow vitrine.Duration `yaml:"restore_window" env:"RESTORE_WINDOW" example:"7d"`

	// File with the key-encryption key, mode 0600. By default the data
	// directory's name with .kek: beside it, so that a copy of the data alone
	// opens nothing.
	KeyFile string `yaml:"key_file" env:"KEY_FILE" example:"/etc/vitrine/kek"`

	// Directory for the log's signed checkpoints. By default the data
	// directory's name with -checkpoints; send what appears there elsewhere.
	Checkpoints string `yaml:"checkpoints" env:"CHECKPOINTS" example:"/srv/checkpoints"`

	// Where the newest checkpoint of the log is published too: a directory, such
	// as one that a web server serves, or a bucket, s3://bucket/prefix. What lies
	// there has the layout of C2SP tlog-tiles.
	CheckpointsMirror string `yaml:"checkpoints_mirror" env:"CHECKPOINTS_MIRROR" example:"s3://audit/vitrine?region=eu-central-1"`

	// File with credentials for the mirror's bucket, as Amazon's tools write it,
	// mode 0600. By default they are in AWS_ACCESS_KEY_ID and its like.
	CheckpointsCredentials string `yaml:"checkpoints_credentials" env:"CHECKPOINTS_CREDENTIALS" example:"/etc/vitrine/mirror-credentials"`

	// Publish the log's tiles in the mirror as well: hashes, no entries. With
	// them anybody can prove there that the log only grew.
	CheckpointsTiles bool `yaml:"checkpoints_tiles" env:"CHECKPOINTS_TILES" example:"true"`

	// Address that is told of each checkpoint, by POST. http:// needs
	// allow_private_providers and goes to loopback and private addresses alone.
	CheckpointsWebhook string `yaml:"checkpoints_webhook" env:"CHECKPOINTS_WEBHOOK" example:"https://hooks.example.com/vitrine"`

	// File with the secret that signs what the webhook is told, mode 0600: at
	// least 16 bytes, or whsec_ and base64.
	CheckpointsWebhookSecret string `yaml:"checkpoints_webhook_secret" env:"CHECKPOINTS_WEBHOOK_SECRET" example:"/etc/vitrine/webhook-secret"`

	// Let providers have loopback and private addresses. Without it nobody can
	// make the server call into the network that it stands in.
	AllowPrivateProviders bool `yaml:"allow_private_providers" env:"ALLOW_PRIVATE_PROVIDERS" example:"false"`

	// Certificate file, PEM. With it the server speaks HTTPS.
	TLSCert string `yaml:"tls_cert" env:"TLS_CERT" example:"/etc/vitrine/cert.pem"`

	// Key file of the certificate, PEM.
	TLSKey string `yaml:"tls_key" env:"TLS_KEY" example:"/etc/vitrine/key.pem"`

	// URL under which clients reach this server. Links are made with it; empty
	// is what the request came to.
	PublicURL string `yaml:"public_url" env:"PUBLIC_URL" example:"https://images.example.com"`

	// Networks of proxies whose X-Forwarded-For is believed. In the environment
	// separated by commas.
	TrustedProxies []string `yaml:"trusted_proxies" env:"TRUSTED_PROXIES" example:"[10.0.0.0/8]"`

	// Largest picture that is taken, in bytes.
	MaxUpload int64 `yaml:"max_upload" env:"MAX_UPLOAD" example:"67108864"`

	// Requests a minute and principal. 0 is no limit.
	RatePerMinute int `yaml:"rate_per_minute" env:"RATE_PER_MINUTE" example:"600"`

	// What the process log tells: debug, info, warn or error.
	LogLevel string `yaml:"log_level" env:"LOG_LEVEL" example:"info"`

	from map[string]string // setting → where its value comes from
}

// Default is the configuration of who says nothing, before what depends on the
// data directory is filled in.
func Default() *Config {
	return &Config{
		Data: "vitrine-data", Listen: "127.0.0.1:8420", MaxUpload: 64 << 20, RatePerMinute: 600, LogLevel: "info",
		RestoreWindow: vitrine.Duration(7 * 24 * time.Hour),
		from:          map[string]string{},
	}
}

// prefix is what every variable begins with.
const prefix = "VITRINE_"

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// Load reads the file, if a path is given here or as VITRINE_CONFIG, then the
// environment (as os.Environ gives it; of a variable given twice the last
// counts), then flags, which are written as variables and told of as flags,
// fills in what follows from the data directory, and checks all.
func Load(path string, environ []string, flags ...string) (*Config, error) {
	vars := variables(environ)
	given := variables(flags)
	maps.Copy(vars, given)
	if path == "" {
		path = vars[prefix+"CONFIG"]
	}
	c := Default()
	if path != "" {
		if err := c.readFile(path); err != nil {
			return nil, err
		}
	}
	if err := c.readEnviron(vars); err != nil {
		return nil, err
	}
	for _, f := range fields() {
		if _, ok := given[f.Env]; ok {
			c.from[f.Name] = "--" + strings.ReplaceAll(f.Name, "_", "-")
		}
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// variables are those of our name that have a value.
func variables(environ []string) map[string]string {
	vars := make(map[string]string)
	for _, v := range environ {
		if name, value, ok := strings.Cut(v, "="); ok && strings.HasPrefix(name, prefix) && value != "" {
			vars[name] = value
		}
	}
	return vars
}

func (c *Config) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("configuration file %s does not exist", path)
		}
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	if len(text) > maxFile {
		return fmt.Errorf("configuration %s is larger than %d bytes", path, maxFile)
	}
	var given map[string]any
	if err := yaml.Unmarshal(text, &given); err != nil {
		return fileError(path, err)
	}
	if len(given) == 0 { // comments alone, which the decoder takes for "nothing of all this"
		return nil
	}
	if err := yaml.UnmarshalWithOptions(text, c, yaml.Strict()); err != nil {
		return fileError(path, err)
	}
	for name := range given {
		c.from[name] = path
	}
	return nil
}

// fileError says line and column, and never quotes the file, which may hold a
// password.
func fileError(path string, err error) error {
	text := strings.TrimSpace(yaml.FormatError(err, false, false))
	if at, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(at, "[") {
		text = strings.TrimPrefix(at, "[") + ": " + rest
	}
	if strings.Contains(text, "unknown field") {
		text += "; settings are " + strings.Join(names(), ", ")
	}
	return fmt.Errorf("configuration %s:%s", path, text)
}

func (c *Config) readEnviron(vars map[string]string) error {
	for _, f := range fields() {
		if _, ok := vars[f.Env]; ok {
			c.from[f.Name] = f.Env
		}
	}
	err := env.ParseWithOptions(c, env.Options{Environment: vars, Prefix: prefix})
	if err == nil {
		return nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return fmt.Errorf("configuration: %w", err)
	}
	var out []error
	for _, e := range all.Errors {
		var pe env.ParseError
		if !errors.As(e, &pe) {
			out = append(out, e)
			continue
		}
		for _, f := range fields() {
			if f.field == pe.Name {
				out = append(out, fmt.Errorf("%s: want a value such as %s", f.Env, f.Example))
			}
		}
	}
	return fmt.Errorf("configuration: %w", errors.Join(out...))
}

// complete makes paths absolute and puts beside the data directory what must
// not lie in it.
func (c *Config) complete() error {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if data == filepath.Dir(data) {
		return fmt.Errorf("data: %s cannot be the data directory", data)
	}
	c.Data = data
	for _, p := range []struct {
		at      *string
		derived string
	}{{&c.KeyFile, data + ".kek"}, {&c.Checkpoints, data + "-checkpoints"}, {&c.TLSCert, ""}, {&c.TLSKey, ""}, {&c.BlobsCredentials, ""},
		{&c.CheckpointsCredentials, ""}, {&c.CheckpointsWebhookSecret, ""}} {
		if *p.at == "" {
			*p.at = p.derived
		}
		if *p.at == "" {
			continue
		}
		if *p.at, err = filepath.Abs(*p.at); err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
	}
	if mirror := c.CheckpointsMirror; mirror != "" && !strings.Contains(mirror, "://") {
		c.CheckpointsMirror, err = filepath.Abs(mirror)
	}
	return err
}

// check reports everything that cannot be right.
func (c *Config) check() error {
	var wrong []error
	bad := func(name, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s (from %s): %s", name, c.origin(name), fmt.Sprintf(format, args...)))
	}
	for _, p := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			bad("trusted_proxies", "%q: want networks such as 10.0.0.0/8", p)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls_cert", "certificate and key belong together: give tls_cert and tls_key")
	}
	if err := c.checkListen(); err != nil {
		bad("listen", "%v", err)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil) {
		bad("public_url", "want a URL such as https://images.example.com")
	}
	if u, err := url.Parse(c.Database); c.Database != "" && (err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" && u.Scheme != "sqlite") {
		bad("database", "want nothing, for SQLite in the data directory, or postgres://user@host/name")
	}
	c.checkKeeping(bad)
	c.checkPublishing(bad)
	if c.MaxUpload < 0 {
		bad("max_upload", "cannot be below 0")
	}
	if c.RatePerMinute < 0 {
		bad("rate_per_minute", "cannot be below 0")
	}
	var level slog.Level
	if c.LogLevel != "" && level.UnmarshalText([]byte(c.LogLevel)) != nil {
		bad("log_level", "%q: want debug, info, warn or error", c.LogLevel)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("configuration: %w", errors.Join(wrong...))
	}
	return nil
}

// checkKeeping reports what is wrong about where and how long images are kept.
func (c *Config) checkKeeping(bad func(name, format string, args ...any)) {
	u, err := url.Parse(c.Blobs)
	switch {
	case c.Blobs == "":
	case err != nil || u.Scheme != "s3" || u.Host == "":
		bad("blobs", "want nothing, for the data directory, or a bucket such as s3://pictures/vitrine?endpoint=https://s3.example.com")
	case u.User != nil:
		bad("blobs", "credentials never stand in the URL: give blobs_credentials")
	}
	if c.RestoreWindow < 0 {
		bad("restore_window", "cannot be below 0")
	}
}

// checkPublishing reports what is wrong about where checkpoints go.
func (c *Config) checkPublishing(bad func(name, format string, args ...any)) {
	if scheme, _, ok := strings.Cut(c.CheckpointsMirror, "://"); ok && scheme != "s3" {
		bad("checkpoints_mirror", "want a directory, or a bucket such as s3://bucket/prefix")
	}
	if c.CheckpointsTiles && c.CheckpointsMirror == "" {
		bad("checkpoints_tiles", "give checkpoints_mirror, where they are to be published")
	}
	if c.CheckpointsMirror != "" && c.CheckpointsMirror == c.Checkpoints {
		bad("checkpoints_mirror", "give it a directory of its own, beside checkpoints")
	}
	if c.CheckpointsWebhook == "" {
		return
	}
	u, err := url.Parse(c.CheckpointsWebhook)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		bad("checkpoints_webhook", "want an address such as https://hooks.example.com/vitrine")
	case u.Scheme == "http" && !c.AllowPrivateProviders:
		bad("checkpoints_webhook", "over http:// anybody on the way could keep checkpoints back: give an https:// address, or for one in your own network set allow_private_providers")
	case c.CheckpointsWebhookSecret == "":
		bad("checkpoints_webhook_secret", "give the file with the secret that signs what the webhook is told")
	}
}

// checkListen refuses an address on which keys would travel in clear.
func (c *Config) checkListen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("%q: want an address and a port, such as 127.0.0.1:8420 or :8443", c.Listen)
	}
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && ip.IsLoopback()
	if !loopback && c.TLSCert == "" && len(c.TrustedProxies) == 0 {
		return fmt.Errorf("%s is reached from other machines, and keys would travel in clear: give tls_cert and tls_key, or name in trusted_proxies the proxy that ends TLS", c.Listen)
	}
	return nil
}
