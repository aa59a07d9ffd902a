package web_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/web"
)

// Attack: let somebody's agent act for oneself, and use up with that key how
// fast the agent may be for everybody else.
func TestAgentIsAsFastAsItsPerson(t *testing.T) {
	s := identitytest.New(t, "")
	ann, eve := s.Person("ann"), s.Person("eve")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "ann"}))
	_, own := s.Issue(ann, identity.NewKey{Principal: "agent"})
	_, forAnn := s.Issue(ann, identity.NewKey{Principal: "agent", For: true})
	_, forEve := s.Issue(eve, identity.NewKey{Principal: "agent", For: true})
	d, err := web.New(web.Config{Directory: s.Directory, Guard: s.Guard, PerMinute: 12}) // a burst of two
	if err != nil {
		t.Fatal(err)
	}
	ask := func(key vitrine.Secret) error {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+key.Reveal())
		_, err := d.Identify(httptest.NewRecorder(), r)
		return err
	}
	for range 2 {
		if err := ask(forEve.Secret); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(forEve.Secret); !errors.Is(err, vitrine.ErrExhausted) {
		t.Errorf("too fast for eve: %v", err)
	}
	for name, key := range map[string]vitrine.Secret{"its own": own.Secret, "for ann": forAnn.Secret} {
		if err := ask(key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
