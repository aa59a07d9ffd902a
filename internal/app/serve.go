package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine.dev/vitrine/internal/config"
)

// How long a server waits for whom.
const (
	headerTimeout = 10 * time.Second // for the head of a request
	idleTimeout   = 2 * time.Minute  // between requests of one connection
)

// How long a server that is told to stop waits.
var (
	drainTimeout  = 30 * time.Second // for requests under way
	answerTimeout = 5 * time.Second  // for the answers to those that made images after that
)

// Serve opens the installation, listens and serves until ctx is done; then it
// drains: no new request is taken, those under way end, what they did is
// recorded. ready, may be nil, is told the address once it listens. It refuses
// data that do not continue what was published.
func Serve(ctx context.Context, c *config.Config, logger *slog.Logger, ready func(net.Addr)) error {
	a, err := Open(ctx, c, Options{Logger: logger})
	if err != nil {
		return err
	}
	if err := a.continues(ctx); err != nil {
		return errors.Join(err, a.Close())
	}
	ln, err := Listen(c)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	if a.Solo() {
		logger.Warn("this is a solo installation: one owner who may both administer and look; not for a company")
	}
	logger.Info("serving", "address", ln.Addr().String(), "data", c.Data)
	if ready != nil {
		ready(ln.Addr())
	}
	err = a.ServeOn(ctx, ln)
	return errors.Join(err, a.Close())
}

// Listen listens where the configuration says, with TLS if it names a
// certificate.
func Listen(c *config.Config) (net.Listener, error) {
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	if c.TLSCert == "" {
		return ln, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("TLS certificate: %w", err), ln.Close())
	}
	return tls.NewListener(ln, &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}), nil
}

// ServeOn runs the loops and serves on ln until ctx is done. The loops outlive
// the last request, because what it did must still be recorded.
func (a *App) ServeOn(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: a.front, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
	}
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, failed := errgroup.WithContext(loops)
	g.Go(func() error { return a.Run(failed) })
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
		case <-failed.Done(): // a loop broke; stop serving
		}
		return a.drain(srv)
	})
	return g.Wait()
}

// drain lets the requests under way end. Those that make images may have been
// paid for, so they are waited for as long as a service may take, whether or
// not their clients still are there; all others have drainTimeout.
func (a *App) drain(srv *http.Server) error {
	a.ops.Drain()
	shut := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		return srv.Shutdown(ctx)
	}
	err := shut(drainTimeout)
	if err == nil {
		return nil
	}
	a.logger.Info("waiting for images that are being made")
	if err := a.Gateway.Wait(context.Background()); err != nil {
		return err
	}
	if err = shut(answerTimeout); err == nil {
		return nil
	}
	a.logger.Warn("some requests did not end in time", "err", err)
	return srv.Close()
}
