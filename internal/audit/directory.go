package audit

import (
	"context"
	"fmt"

	"vitrine.dev/vitrine"
)

// publish puts the newest checkpoint into the directory before anything else is
// signed. The couriers carry it to all other places, beside.
func (l *Log) publish(ctx context.Context) error {
	if l.out == nil {
		return nil
	}
	h, err := l.own(l.state.note)
	if err != nil {
		return err
	}
	why, err := l.out.missing(l.own)
	if err != nil {
		return err
	}
	if why != "" {
		l.absent(ctx, l.out.dir, why+", while the server ran", "it is written again")
		l.out.done = head{}
	}
	return l.out.put(h)
}

// present raises the alarm where checkpoints were signed and none is published.
func (l *Log) present(ctx context.Context, stored head) error {
	if l.out == nil || stored.Size == 0 {
		return nil
	}
	text, err := l.out.last()
	if err != nil || text != "" {
		return err
	}
	l.absent(ctx, l.out.dir, fmt.Sprintf("no checkpoint is published, though %d entries were signed", stored.Size), "going on from what is stored")
	return nil
}

const codeAbsent = "checkpoints_absent"

// absent raises the alarm where what was published is not there any more:
// whether this is the newest state of the log only what was published can tell.
func (l *Log) absent(ctx context.Context, place, why, so string) {
	l.logger.Error("what was published is not there: "+why, "place", place, "so", so)
	l.alert(ctx, &vitrine.Entry{Outcome: vitrine.Allowed, Code: codeAbsent, Alert: codeAbsent, Detail: why + "; " + so})
}

// published are the checkpoints that were published last, where they can be
// read. The directory must answer: it is on this machine. Other places may be
// out of reach, which must not keep the log from being written.
func (l *Log) published(ctx context.Context) ([]Checkpoint, error) {
	var all []Checkpoint
	if l.out != nil {
		text, err := l.out.last()
		if err != nil {
			return nil, err
		}
		if text != "" {
			c, err := l.own(text)
			if err != nil {
				return nil, fmt.Errorf("the checkpoint in %s is not of this log: publish to a directory of its own", l.out.dir)
			}
			all = append(all, c.Checkpoint)
		}
	}
	for _, c := range l.couriers {
		h, err := c.anchor(ctx)
		if err != nil {
			l.logger.Warn("what was published last cannot be read there, so the log is not compared with it", "place", c.to.name(), "err", err)
			continue
		}
		if h.text != "" {
			all = append(all, h.Checkpoint)
		}
	}
	return all, nil
}

// reaches raises the alarm where a checkpoint was published that is of more
// entries than there are.
func (l *Log) reaches(ctx context.Context, c Checkpoint) error {
	size, _, _, err := l.store.LogSize(ctx)
	if err == nil && c.Size > size {
		err = l.notice(ctx, fmt.Errorf("%w: %d entries were signed and published, but the log has %d", ErrTampered, c.Size, size))
	}
	return err
}
