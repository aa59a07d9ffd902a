package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// head is a checkpoint with its text.
type head struct {
	Checkpoint
	text string
}

// signed is what was signed last: the edge of the log there and the note.
type signed struct {
	grown
	root  merkle.Hash
	note  string
	begun bool
	// rebuild makes begin hash every leaf, and put right what tiles say.
	rebuild bool
}

// grown is the edge of the log with the tiles that it cut and that are not kept
// yet.
type grown struct {
	edge    *merkle.Edge
	tiles   []cutTile
	changed int // tiles that were others in the store, or none
}

type cutTile struct {
	merkle.Tile
	hashes []merkle.Hash
}

// maxTiles is how many tiles are held before they are kept: 2 MB of hashes.
const maxTiles = 256

func (g *grown) cut(t merkle.Tile, hashes []merkle.Hash) {
	g.tiles = append(g.tiles, cutTile{t, hashes})
}

// Checkpoint signs the log as it stands, stores and publishes what it signed,
// and answers it. Where nothing was appended it answers the last one. It fails
// where the log does not continue what was signed before.
func (l *Log) Checkpoint(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := l.checkpoint(ctx)
	l.failed.Store(nil)
	if err != nil {
		l.failed.Store(&err)
	}
	return text, err
}

func (l *Log) checkpoint(ctx context.Context) (string, error) {
	if err := l.Broken(); err != nil {
		return "", err
	}
	// What others signed is read before the size, which only grows.
	stored, err := l.stored(ctx)
	if err != nil {
		return "", l.notice(ctx, err)
	}
	if !l.state.begun {
		if err := l.begin(ctx, stored); err != nil {
			return "", l.notice(ctx, err)
		}
	}
	size, root, _, err := l.store.LogSize(ctx)
	if err != nil {
		return "", err
	}
	if l.state.note != "" && size == l.state.edge.Size() && root == l.state.root {
		return l.state.note, l.publish(ctx)
	}
	next, err := l.extend(ctx, Checkpoint{Size: size, Root: root}, stored)
	if err != nil {
		return "", l.notice(ctx, err)
	}
	if err := l.keep(ctx, next); err != nil {
		return "", err
	}
	return l.state.note, l.publish(ctx)
}

// Continues makes sure, before anything is served, that the log is at least what
// was signed and published last. Where an older copy of the data was put in
// place, or the log was rewritten, it fails and writes nothing: what is there is
// evidence. Checkpoints that were published once and
// are not where they were are a way to go on all the same, which the log tells
// with the alert checkpoints_absent.
func (l *Log) Continues(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, err := l.stored(ctx)
	if err == nil && !l.state.begun {
		err = l.begin(ctx, stored)
	}
	switch {
	case errors.Is(err, ErrTampered):
		return fmt.Errorf("the log in this database does not continue what was signed: %w", err)
	case err != nil:
		return err
	}
	return l.present(ctx, stored)
}

// notice raises the alarm where err is tampering.
func (l *Log) notice(ctx context.Context, err error) error {
	if errors.Is(err, ErrTampered) {
		l.tampered(ctx, err)
	}
	return err
}

// stored is the largest checkpoint that any node stored.
func (l *Log) stored(ctx context.Context) (head, error) {
	_, text, err := l.store.LatestCheckpoint(ctx)
	if err != nil || text == "" {
		return head{}, err
	}
	c, err := l.own(text)
	if err != nil {
		return head{}, fmt.Errorf("%w: the stored checkpoint: %w", ErrTampered, err)
	}
	return c, nil
}

// own reads a checkpoint of this log.
func (l *Log) own(text string) (head, error) {
	c, err := openCheckpoint(text, l.verify)
	if err == nil && c.Origin != l.origin {
		err = fmt.Errorf("it is of the log %s", c.Origin)
	}
	return head{c, text}, err
}

// begin takes up where the last process left: at the larger of what is stored
// and what is published.
func (l *Log) begin(ctx context.Context, stored head) error {
	anchors, err := l.published(ctx)
	if err != nil {
		return err
	}
	size, _, _, err := l.store.LogSize(ctx)
	if err != nil {
		return err
	}
	anchors = append(anchors, stored.Checkpoint)
	for _, c := range anchors {
		if c.Size > size {
			return fmt.Errorf("%w: %d entries were signed, but the log has %d", ErrTampered, c.Size, size)
		}
	}
	slices.SortFunc(anchors, func(a, b Checkpoint) int { return int(a.Size - b.Size) })
	g, err := l.resume(ctx, stored.Checkpoint, anchors)
	if err != nil {
		return err
	}
	for _, c := range anchors {
		if c.Size < g.edge.Size() {
			continue // compared by resume
		}
		if err := l.walk(ctx, &g, c); err != nil {
			return err
		}
	}
	l.state.grown, l.state.begun = g, true
	if stored.text != "" {
		l.tell(stored)
	}
	return nil
}

// resume is the edge of the log under the stored checkpoint, read from its
// tiles. It is trusted only where its root is the signed one, and where the
// tiles prove that it continues what was published before. Otherwise the edge is
// that of the empty log, and all is hashed.
func (l *Log) resume(ctx context.Context, stored Checkpoint, anchors []Checkpoint) (grown, error) {
	fresh := grown{edge: new(merkle.Edge)}
	if stored.Size == 0 || l.state.rebuild {
		return fresh, nil
	}
	read := l.tiles(ctx)
	e, err := merkle.OpenEdge(stored.Size, read)
	switch {
	case errors.Is(err, store.ErrDamaged):
		l.logger.Info("hashing the log from its first entry, because its tiles are not there", "entries", stored.Size)
		return fresh, nil
	case err != nil:
		return fresh, err
	case e.Root() != stored.Root:
		l.logger.Warn("hashing the log from its first entry, because its tiles are not those that were signed", "entries", stored.Size)
		return fresh, nil
	}
	for _, c := range anchors {
		if c.Size > 0 && c.Size < stored.Size && !continues(c, stored, read) {
			return fresh, nil
		}
	}
	return grown{edge: e}, nil
}

// continues reports whether tiles prove that one checkpoint continues another.
func continues(from, to Checkpoint, read merkle.Reader) bool {
	p, err := merkle.ProveConsistency(from.Size, to.Size, read)
	return err == nil && merkle.VerifyConsistency(p, from.Size, to.Size, from.Root, to.Root) == nil
}

// tiles reads the tiles of the log.
func (l *Log) tiles(ctx context.Context) merkle.Reader {
	return func(tiles []merkle.Tile) ([][]merkle.Hash, error) { return l.store.LogTiles(ctx, tiles) }
}

// extend hashes what was appended since the last checkpoint and compares roots
// with what another node stored meanwhile and with the head of the log.
func (l *Log) extend(ctx context.Context, to Checkpoint, stored head) (grown, error) {
	g := l.state.grown
	g.edge, g.tiles = g.edge.Clone(), slices.Clone(g.tiles)
	if to.Size < g.edge.Size() {
		return g, fmt.Errorf("%w: %d entries were signed, but the log has %d", ErrTampered, g.edge.Size(), to.Size)
	}
	if stored.Size >= g.edge.Size() && stored.Size > 0 {
		if err := l.walk(ctx, &g, stored.Checkpoint); err != nil {
			return g, err
		}
	}
	return g, l.walk(ctx, &g, to)
}

// walk appends the leaves up to c and compares the root. The hashes are made
// from the leaves, not read.
func (l *Log) walk(ctx context.Context, g *grown, c Checkpoint) error {
	if c.Size == 0 {
		return nil
	}
	err := l.store.LogRows(ctx, g.edge.Size(), c.Size, func(row store.LogRow) error {
		h := merkle.Leaf(row.Leaf)
		if h != row.Hash {
			return fmt.Errorf("%w: the leaf of entry %d was changed", ErrTampered, row.Seq)
		}
		if g.edge.Append(h, g.cut); len(g.tiles) < maxTiles {
			return nil
		}
		return l.keepTiles(ctx, g)
	})
	if err != nil {
		return err
	}
	if g.edge.Root() != c.Root {
		return fmt.Errorf("%w: the first %d entries are not those that were signed", ErrTampered, c.Size)
	}
	return nil
}

// keepTiles keeps the tiles so far. Those that nobody has signed yet are not
// read.
func (l *Log) keepTiles(ctx context.Context, g *grown) error {
	changed := 0
	err := l.store.Maintain(ctx, func(tx *store.Tx) (err error) {
		changed, err = g.put(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep tiles of the log: %w", err)
	}
	g.tiles, g.changed = nil, g.changed+changed
	return nil
}

// put puts the tiles that were cut, and those above that grew by them.
func (g *grown) put(tx *store.Tx) (changed int, err error) {
	one := func(t merkle.Tile, hashes []merkle.Hash) {
		if err != nil {
			return
		}
		var other bool
		if other, err = tx.PutLogTile(t, hashes); other {
			changed++
		}
	}
	for _, t := range g.tiles {
		one(t.Tile, t.hashes)
	}
	if len(g.tiles) > 0 {
		g.edge.Tails(1, one)
	}
	return changed, err
}

// keep signs the log as far as it was hashed, and stores the checkpoint with the
// tiles.
func (l *Log) keep(ctx context.Context, g grown) error {
	c := Checkpoint{Origin: l.origin, Size: g.edge.Size(), Root: g.edge.Root()}
	text, err := note.Sign(&note.Note{Text: c.text()}, l.signer)
	if err != nil {
		return fmt.Errorf("sign the log: %w", err)
	}
	at, changed := l.now(), 0
	err = l.store.Maintain(ctx, func(tx *store.Tx) (err error) {
		if changed, err = g.put(tx); err != nil {
			return err
		}
		return tx.PutCheckpoint(c.Size, string(text), at)
	})
	if err != nil {
		return fmt.Errorf("keep checkpoint %d: %w", c.Size, err)
	}
	if l.state.rebuild {
		l.logger.Info("the tiles of the log were made again from its entries", "entries", c.Size, "put right", g.changed+changed)
	}
	g.tiles, g.changed = nil, 0
	l.state = signed{grown: g, root: c.Root, note: string(text), begun: true}
	l.tell(head{c, string(text)})
	return nil
}

// newest is what was signed last.
func (l *Log) newest(ctx context.Context) (head, error) {
	if h := l.last.Load(); h != nil {
		return *h, nil
	}
	text, err := l.Checkpoint(ctx)
	if err != nil {
		return head{}, err
	}
	return l.own(text)
}

// tell lets everybody know of a checkpoint.
func (l *Log) tell(h head) {
	l.last.Store(&h)
	for _, c := range l.couriers {
		c.wake()
	}
}

// codeTiles marks tiles that do not lead to what was signed.
const codeTiles = "tiles_damaged"

// heal makes the tiles again from the entries, at the next checkpoint, because
// they do not lead to what was signed; the log tells. Where the entries do not
// lead there either, that finds it.
func (l *Log) heal(ctx context.Context, cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.state.rebuild && l.Broken() == nil {
		l.state = signed{rebuild: true}
		l.logger.Error("the tiles of the log were changed outside the system; they are made again from its entries", "err", cause)
		l.alert(ctx, &vitrine.Entry{Outcome: vitrine.Broken, Code: codeTiles, Alert: codeTiles, Detail: cause.Error()})
	}
	return &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: codeTiles, RetryAfter: 5, Err: cause,
		Public: "The tiles of the log do not lead to what was signed. They are made again from its entries; try again in a moment."}
}
