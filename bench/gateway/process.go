package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"vitrine.dev/vitrine/bench/internal/house"
	"vitrine.dev/vitrine/bench/internal/measure"
)

// process is a server of the benchmark's own.
type process struct {
	address string
	pid     int
}

// start runs this program again as a server, on an address of its own.
func (s *bench) start(ctx context.Context, what string, args ...string) (*process, error) {
	bin, err := self()
	if err != nil {
		return nil, err
	}
	at, err := house.Free()
	if err != nil {
		return nil, err
	}
	c := exec.Command(bin, append([]string{what, at}, args...)...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, func() error {
		err := c.Process.Kill()
		_ = c.Wait() // it was killed
		return err
	})
	return &process{at, c.Process.Pid}, house.Ready(ctx, "http://"+at+"/ready")
}

const nginxConfig = `
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log error;
worker_processes auto;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000;
	upstream mock { server %[3]s; keepalive 512; keepalive_requests 1000000; }
	server {
		listen %[2]s;
		location / {
			proxy_pass http://mock;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffers 16 128k;
			proxy_buffer_size 128k;
			proxy_max_temp_file_size 0;
		}
	}
}
`

// nginx starts nginx before the mock; nil where it is not installed.
func (s *bench) nginx(ctx context.Context) (*process, error) {
	bin, err := exec.LookPath("nginx")
	if err != nil {
		bin = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(bin); err != nil {
		measure.Progress("nginx is not installed; it is left out")
		return nil, nil
	}
	at, err := house.Free()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.o.Dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, dir, at, s.mock.address), 0o644); err != nil {
		return nil, err
	}
	c := exec.Command(bin, "-p", dir, "-c", file)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, func() error { return errors.Join(c.Process.Signal(syscall.SIGTERM), c.Wait()) })
	return &process{at, c.Process.Pid}, house.Ready(ctx, "http://"+at+"/ready")
}

// workers are the processes that a master has made.
func (p *process) workers() ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.pid, p.pid))
	if err != nil {
		return nil, err
	}
	var all []int
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		all = append(all, pid)
	}
	return all, nil
}
