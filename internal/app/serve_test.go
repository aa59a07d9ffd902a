package app_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// A server is told to stop while a service draws, and the service takes longer
// than requests are waited for. The picture is paid for, so it is answered and
// in the vault after a restart, and nothing stays reserved.
func TestStoppingLosesNoImage(t *testing.T) {
	app.Hurry(t, time.Millisecond)
	up := providertest.NewUpstream(t)
	drawing, drawn := make(chan struct{}), make(chan struct{})
	draw := sync.OnceFunc(func() { close(drawn) })
	t.Cleanup(draw)
	up.Always(func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
		close(drawing)
		providertest.Wait(drawn)(u, w, r, c)
	})
	s := vitrinetest.New(t, vitrinetest.Policy(strings.NewReplacer("{kind: studio}", "{kind: openai, base_url: \""+up.OpenAIBase()+"\"}").Replace(clientPolicy)))
	key := s.Key(identity.NewKey{Principal: "ann", Project: "renders", Dataset: "drafts"})
	answered := make(chan int, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/images/generations", strings.NewReader(`{"model":"hidream","prompt":"a lighthouse"}`))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header = http.Header{"Authorization": {"Bearer " + key.Reveal()}, "Content-Type": {"application/json"}}
		status := 0
		if resp, err := http.DefaultClient.Do(r); err == nil {
			status = resp.StatusCode
			err = resp.Body.Close()
			if err != nil {
				t.Error(err)
			}
		}
		answered <- status
	}()
	<-drawing
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	// Only once it does not listen any more, its patience begins to end.
	for {
		resp, err := http.Get(s.URL + "/healthz")
		if err != nil {
			break
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("it stopped while a picture was drawn: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	draw()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the client got %d, want 200", status)
	}

	s.Start(nil)
	ann := s.Caller(key)
	page, err := s.Vault.List(t.Context(), ann, vault.Query{})
	if err != nil || len(page.Images) != 1 {
		t.Errorf("the vault has %+v, %v, want the picture", page, err)
	}
	_, all, err := s.Gateway.Balance(t.Context(), ann)
	if err != nil || len(all) != 1 || all[0].Spent != vitrine.Dollar/100 || all[0].Reserved != 0 {
		t.Errorf("balances %+v, %v", all, err)
	}
}
