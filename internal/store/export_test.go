package store

// SetFault makes commits call f before and after their COMMIT; an error fails
// them there. Set it while nothing is committed.
func SetFault(s *Store, f func(stage string) error) { s.fault = f }

// Exec runs any statement on the writer's connection.
func Exec(t *Tx, text string) error {
	_, err := t.c.ExecContext(t.c.ctx, text)
	return err
}

// Pragma is a setting of the writer's SQLite connection.
func Pragma(t *Tx, name string) (value string, err error) {
	err = t.c.QueryRowContext(t.c.ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// Prepared is how many statements the readers keep.
func Prepared(s *Store) int {
	s.read.mu.Lock()
	defer s.read.mu.Unlock()
	return len(s.read.m)
}
