package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Setting is one setting in force and where it came from.
type Setting struct {
	Name  string `json:"name"`  // in the file
	Env   string `json:"env"`   // in the environment
	Value string `json:"value"` // without secrets
	From  string `json:"from"`  // "default", a file, a variable, or a flag
}

// Settings lists every setting in force, in the order of Config.
func (c *Config) Settings() []Setting {
	var all []Setting
	v := reflect.ValueOf(c).Elem()
	for _, f := range fields() {
		value := v.FieldByName(f.field)
		s := Setting{Name: f.Name, Env: f.Env, From: c.origin(f.Name)}
		switch {
		case f.Name == "database", f.Name == "blobs":
			s.Value = withoutPassword(value.String())
		case f.Name == "checkpoints_webhook":
			s.Value = hostOnly(c.CheckpointsWebhook)
		case value.Kind() == reflect.Slice:
			s.Value = strings.Join(c.TrustedProxies, ",")
		default:
			s.Value = fmt.Sprint(value.Interface())
		}
		all = append(all, s)
	}
	return all
}

func (c *Config) origin(name string) string {
	if from, ok := c.from[name]; ok {
		return from
	}
	return "default"
}

// hostOnly is an address that may be shown: the path of a webhook mostly is its
// secret.
func hostOnly(text string) string {
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return ""
	}
	if u.Path == "" && u.RawQuery == "" {
		return text
	}
	return u.Scheme + "://" + u.Host + "/[set]"
}

// withoutPassword is a database URL that may be shown.
func withoutPassword(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" && strings.Contains(u.Opaque, "@") {
		return "[set]"
	}
	hidden := "[set]"
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), hidden)
	}
	q := u.Query()
	for k := range q {
		if strings.Contains(strings.ToLower(k), "password") {
			q.Set(k, hidden)
		}
	}
	u.RawQuery = q.Encode()
	return strings.ReplaceAll(u.String(), url.QueryEscape(hidden), hidden)
}

// String is every setting in force, without secrets.
func (c *Config) String() string {
	var b strings.Builder
	for _, s := range c.Settings() {
		fmt.Fprintf(&b, "%s: %s\n", s.Name, s.Value)
	}
	return b.String()
}

// GoString is String, so that no way of printing shows a password.
func (c *Config) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range c.Settings() {
		attrs = append(attrs, slog.String(s.Name, s.Value))
	}
	return slog.GroupValue(attrs...)
}

// field is what the tags of a setting say.
type field struct {
	Name, Env, Example string
	field              string // of Config
}

func fields() []field {
	t := reflect.TypeFor[Config]()
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.IsExported() {
			all = append(all, field{f.Tag.Get("yaml"), prefix + f.Tag.Get("env"), f.Tag.Get("example"), f.Name})
		}
	}
	return all
}

func names() []string {
	var all []string
	for _, f := range fields() {
		all = append(all, f.Name)
	}
	slices.Sort(all)
	return all
}
