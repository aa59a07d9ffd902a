package fsblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"vitrine.dev/vitrine/internal/blob"
)

// shardSize is how many characters of a name make its directory.
const shardSize = 6

// shardOf is the directory of a blob, pathOf its file.
func shardOf(name string) string { return encode(name[:min(len(name), shardSize)]) }
func pathOf(name string) string  { return shardOf(name) + "/" + encode(name) }

func encode(name string) string { return strings.ReplaceAll(name, "/", ",") }
func decode(file string) string { return strings.ReplaceAll(file, ",", "/") }

// List implements blob.Bucket. All names of a shard start with the shard's, so
// shards in order hold names in order.
func (b *Bucket) List(ctx context.Context, after string, limit int) ([]blob.Info, error) {
	var all []blob.Info
	shards, err := b.names(".")
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	for _, shard := range shards {
		switch {
		case len(all) >= limit:
			return all, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case shard < after && !strings.HasPrefix(after, shard): // before after, and all in it
			continue
		}
		if all, err = b.listShard(all, shard, after, limit); err != nil {
			return nil, fmt.Errorf("list blobs: %w", err)
		}
	}
	return all, nil
}

func (b *Bucket) listShard(to []blob.Info, shard, after string, limit int) ([]blob.Info, error) {
	names, err := b.names(encode(shard))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if len(to) >= limit {
			break
		}
		if name <= after || blob.CheckName(name) != nil || !strings.HasPrefix(name, shard) {
			continue // seen, or not ours
		}
		st, err := b.root.Lstat(pathOf(name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
			continue // deleted meanwhile, or not ours
		}
		if err != nil {
			return nil, err
		}
		to = append(to, blob.Info{Name: name, Size: st.Size(), Changed: st.ModTime()})
	}
	return to, nil
}

// names reads a directory: what its entries stand for, in order. A directory
// that is a file, or gone, holds nothing of ours.
func (b *Bucket) names(dir string) ([]string, error) {
	st, err := b.root.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := b.root.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	for i, name := range names {
		names[i] = decode(name)
	}
	slices.SortFunc(names, cmp.Compare[string])
	return names, nil
}
