package store

import "time"

// destroying are the statements after which a secret is gone for good.
var destroying = map[string]bool{
	qDestroyImage: true, qForgetKeys: true, qForgetName: true, qPutSecret: true, qDeleteSecret: true, qDropRetired: true,
	qEndRetired: true,
}

// wipePause is how long what was destroyed waits for more to be wiped with it.
const wipePause = time.Second

// wiping is what the committer knows of what was destroyed. An embedded database
// overwrites it, but as long as its write-ahead log is not cut, the pages of
// before stand there; cutting it at each turn would make every commit slow,
// because a file that grows is slower to sync than one that is written over.
type wiping struct {
	due   bool
	last  time.Time
	timer *time.Timer
}

// note remembers whether something was destroyed on c, which may be nil.
func (w *wiping) note(c *conn) {
	if c != nil && c.destroyed {
		c.destroyed, w.due = false, true
	}
}

// wipe cuts the write-ahead log where something was destroyed. If a reader is in
// the way, or it was cut just now, that is done a moment later.
func (s *Store) wipe(c *conn) {
	w := &s.wiping
	if !w.due || !s.d.embedded {
		return
	}
	if time.Since(w.last) >= wipePause {
		w.last = time.Now()
		w.due = !c.cut()
	}
	switch {
	case !w.due:
	case w.timer == nil:
		w.timer = time.AfterFunc(wipePause, func() { s.queue.push(&item{done: make(chan struct{})}) })
	default:
		w.timer.Reset(wipePause)
	}
}

// cut writes the write-ahead log into the database and cuts it, unless a reader
// still needs it. Everybody waits meanwhile, so it has little patience.
func (c *conn) cut() bool {
	const impatient, patient = `PRAGMA busy_timeout = 50`, `PRAGMA busy_timeout = 5000`
	if _, err := c.ExecContext(c.ctx, impatient); err != nil { // runs as it is prepared, so not as a statement that is kept
		return false
	}
	var busy, pages, done int64
	err := c.row(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &done)
	if _, perr := c.ExecContext(c.ctx, patient); perr != nil {
		return false
	}
	return err == nil && busy == 0
}
