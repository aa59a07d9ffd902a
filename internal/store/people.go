package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/seal"
)

// people knows the keys under which persons' parts of the log are sealed.
// Remembered keys are for sealing only; whoever opens asks the database, so a
// key that was destroyed on one node opens nothing on another.
type people struct {
	wrap    seal.Key // wraps persons' keys
	name    seal.Key // hashes end users' names
	subject seal.Key // hashes subjects of budgets

	mu       sync.RWMutex
	forgets  int64 // the head's count that keys are of
	keys     map[string]personKey
	subjects map[string]string // hashes
}

// personKey is the key that a person's parts are now sealed under. Its epoch
// stands before what it sealed; after a person was forgotten a new one begins.
type personKey struct {
	epoch uint32
	key   seal.Key
}

// maxPeople bounds how many keys are remembered.
const maxPeople = 50_000

func newPeople(k seal.Key) *people {
	return &people{wrap: k.Derive("person keys"), name: k.Derive("end users"), subject: k.Derive("budget subjects"),
		keys: map[string]personKey{}, subjects: map[string]string{}}
}

// EndUser is the person that stands for an asserted end user in the log, and
// the one to give to Forget: a keyed hash, because end users have names.
func (s *Store) EndUser(name string) string { return s.people.endUser(name) }

func (p *people) endUser(name string) string {
	h := p.name.Mac([]byte(entry.Text(name)))
	return "end-user:" + hexBytes(h[:16])
}

// subjectHash stands for a budget's subject in the database.
func (p *people) subjectHash(subject string) string {
	p.mu.RLock()
	who, ok := p.subjects[subject]
	p.mu.RUnlock()
	if ok {
		return who
	}
	h := p.subject.Mac([]byte(subject))
	who = hexBytes(h[:16])
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.subjects) >= maxPeople {
		clear(p.subjects)
	}
	p.subjects[subject] = who
	return who
}

// sealedFor is what sealed parts depend on.
type sealedFor struct {
	actor vitrine.ID
	vitrine.Personal
}

func personal(e *vitrine.Entry) sealedFor { return sealedFor{e.Actor, e.Personal} }

// sealAhead seals in the waiter's own goroutine where all keys are remembered.
func (p *people) sealAhead(it *item) {
	e := it.entry
	p.mu.RLock()
	forgets := p.forgets
	actor, ok := p.keys[string(e.Actor)]
	var user personKey
	var name string
	userOK := true
	if e.Personal.EndUser != "" {
		name = p.endUser(e.Personal.EndUser)
		user, userOK = p.keys[name]
	}
	p.mu.RUnlock()
	if !ok && (e.Personal.Address != "" || e.Personal.UserAgent != "") || !userOK {
		return
	}
	parts, err := entry.Seal(e, &sealer{p: p, key: func(person string) (personKey, error) {
		if person == name && name != "" {
			return user, nil
		}
		return actor, nil
	}})
	if err == nil {
		it.parts, it.forgets, it.sealed, it.sealedFor = parts, forgets, true, personal(e)
	}
}

// publish remembers keys that are durable now.
func (p *people) publish(forgets int64, fresh map[string]personKey) {
	p.mu.RLock()
	same := p.forgets == forgets
	p.mu.RUnlock()
	if same && len(fresh) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forgets != forgets || len(p.keys)+len(fresh) > maxPeople {
		p.forgets = forgets
		clear(p.keys)
	}
	for person, k := range fresh {
		p.keys[person] = k
	}
}

// sealer is the entry.Sealer of one moment.
type sealer struct {
	p    *people
	key  func(person string) (personKey, error)              // to seal
	past func(person string, epoch uint32) (seal.Key, error) // to open
}

// EndUser implements entry.Sealer.
func (s *sealer) EndUser(name string) string { return s.p.endUser(name) }

// SealPersonal implements entry.Sealer: the epoch as 4 bytes, then the sealed
// value, bound to the person.
func (s *sealer) SealPersonal(person string, plain []byte) ([]byte, error) {
	k, err := s.key(person)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, k.epoch), k.key.Seal(plain, person)...), nil
}

// OpenPersonal implements entry.Sealer.
func (s *sealer) OpenPersonal(person string, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, entry.ErrMalformed
	}
	k, err := s.past(person, binary.BigEndian.Uint32(sealed))
	if err != nil {
		return nil, err
	}
	return k.Open(sealed[4:], person)
}

func keyName(person string, epoch uint32) string { return fmt.Sprintf("%d %s", epoch, person) }

const (
	qPersonKey    = `SELECT epoch, sealed FROM person_keys WHERE person = $1 ORDER BY epoch DESC LIMIT 1`
	qNewPersonKey = `INSERT INTO person_keys (person, epoch, sealed) VALUES ($1, $2, $3)`
	qForgetKeys   = `UPDATE person_keys SET sealed = $1 WHERE person = $2`
	qForgets      = `UPDATE log_head SET forgets = forgets + 1 WHERE id = 1`
	qForgetName   = `DELETE FROM end_users WHERE person = $1`
)

// personKey answers a person's key, making one for a new person and for one
// who was forgotten. A stored key that does not open is replaced, because one
// damaged row must not stop the log.
func (t *Tx) personKey(person string) (personKey, error) {
	var epoch int64
	var sealed []byte
	err := t.c.row(qPersonKey, person).Scan(&epoch, &sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return personKey{}, fmt.Errorf("key of a person: %w", err)
	}
	if len(sealed) > 0 {
		if k, err := t.s.people.wrap.Unwrap(sealed, keyName(person, uint32(epoch))); err == nil {
			return personKey{uint32(epoch), k}, nil
		}
	}
	k := personKey{uint32(epoch) + 1, seal.NewKey()}
	sealed = t.s.people.wrap.Wrap(k.key, keyName(person, k.epoch))
	if _, err := t.c.exec(qNewPersonKey, person, int64(k.epoch), sealed); err != nil {
		return personKey{}, fmt.Errorf("new key of a person: %w", err)
	}
	return k, nil
}

// Forget destroys a person's keys: the sealed parts of all entries so far are
// gone for good, and every proof still holds. Entries that share the commit, this
// act's own among them, are sealed under a new key. person is a principal's id,
// what EndUser answers, or "" for those whom nobody knew.
func (t *Tx) Forget(person string) error {
	if _, err := t.c.exec(qForgetKeys, []byte{}, person); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	if _, err := t.c.exec(qForgetName, person); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	if _, err := t.c.exec(qForgets); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	t.forgets++
	return nil
}

type personEpoch struct {
	person string
	epoch  uint32
}

// opener answers a sealer that opens the parts of all these entries, with one
// look at the database.
func (s *Store) opener(ctx context.Context, parts [][]entry.Part) (*sealer, error) {
	var persons list
	seen := map[string]bool{}
	for _, ps := range parts {
		for _, p := range ps {
			if !seen[p.Person] {
				seen[p.Person] = true
				persons = append(persons, p.Person)
			}
		}
	}
	keys := map[personEpoch]seal.Key{}
	if len(persons) > 0 {
		rows, err := s.read.rows(ctx, `SELECT person, epoch, sealed FROM person_keys WHERE person`+s.d.in(1), persons)
		if err == nil {
			err = s.scanKeys(rows, keys)
		}
		if err != nil {
			return nil, fmt.Errorf("keys of persons: %w", err)
		}
	}
	return &sealer{p: s.people, past: func(person string, epoch uint32) (seal.Key, error) {
		if k, ok := keys[personEpoch{person, epoch}]; ok {
			return k, nil
		}
		return seal.Key{}, entry.ErrForgotten
	}}, nil
}

func (s *Store) scanKeys(rows *results, keys map[personEpoch]seal.Key) error {
	defer rows.Close()
	for rows.Next() {
		var person string
		var epoch int64
		var sealed []byte
		if err := rows.Scan(&person, &epoch, &sealed); err != nil {
			return err
		}
		if len(sealed) == 0 {
			continue
		}
		k, err := s.people.wrap.Unwrap(sealed, keyName(person, uint32(epoch)))
		if err != nil {
			return err
		}
		keys[personEpoch{person, uint32(epoch)}] = k
	}
	return rows.end(rows.Err())
}
