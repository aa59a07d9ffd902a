package store

import "context"

// Ping asks the database whether it answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Revision(ctx)
	return err
}

// metaProbe is what Probe writes.
const metaProbe = "probe"

// Probe finds out whether acts can be recorded: the committer must get its turn,
// and where it failed the last time, or the disk was full, also write something.
// Otherwise it writes nothing, so it may be asked every second.
func (s *Store) Probe(ctx context.Context) error {
	if s.Full() {
		if err := s.space.keep(); err != nil {
			return err
		}
	}
	it := &item{}
	if s.failing.Load() {
		it.fn = func(t *Tx) error { return t.SetMeta(metaProbe, t.now.String()) }
	}
	_, err := s.submit(ctx, it)
	return err
}

// written remembers whether what there was to write could be written.
func (s *Store) written(b *batch, err error) {
	for _, it := range b.items {
		if err != nil || it.fn != nil || it.entry != nil {
			s.failing.Store(err != nil)
			return
		}
	}
	if err != nil {
		s.failing.Store(true)
	}
}
