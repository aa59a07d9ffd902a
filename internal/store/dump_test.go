package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// Whoever adds a table says what becomes of it in a backup.
func TestEveryTableHasItsPartInABackup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		there, said, err := store.Classified(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range there {
			if !slices.Contains(said, name) {
				t.Errorf("the table %s: say in dump.go what becomes of it in a backup", name)
			}
		}
	})
}

type dumped struct {
	snap  store.Snapshot
	rows  map[string][][]any
	blobs []string
}

func dump(t *testing.T, s *store.Store) dumped {
	t.Helper()
	d := dumped{rows: map[string][][]any{}}
	err := s.Dump(t.Context(), store.Dumper{
		Begin: func(snap store.Snapshot) error { d.snap = snap; return nil },
		Row: func(table *store.Table, values []any) error {
			kept := slices.Clone(values)
			for i, v := range kept {
				if b, ok := v.([]byte); ok {
					kept[i] = bytes.Clone(b)
				}
			}
			d.rows[table.Name] = append(d.rows[table.Name], kept)
			return nil
		},
		Blob: func(name string, size int64) error {
			d.blobs = append(d.blobs, fmt.Sprint(name, " ", size))
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// load puts what was dumped into an empty database.
func load(t *testing.T, url string, d dumped) error {
	t.Helper()
	l, err := store.Load(t.Context(), url, d.snap.Schema)
	if err != nil {
		return err
	}
	err = l.Begin(t.Context(), d.snap.Tables)
	for i := range d.snap.Tables {
		table := &d.snap.Tables[i]
		if err == nil {
			err = l.Rows(t.Context(), table, func(yield func([]any, error) bool) {
				for _, row := range d.rows[table.Name] {
					if !yield(row, nil) {
						return
					}
				}
			})
		}
	}
	if err == nil {
		err = l.Finish(t.Context(), map[string]string{"more": "beside"})
	}
	return errors.Join(err, l.Close())
}

// What is dumped from one engine and loaded into any other is the same.
func TestDumpAndLoad(t *testing.T) {
	storetest.Each(t, func(t *testing.T, from string) {
		s := storetest.Start(t, from)
		for i := range int64(100) {
			image := imageRow(i, "d")
			_, err := s.Commit(t.Context(), opened(i), func(tx *store.Tx) error {
				if err := tx.PutImage(image); err != nil {
					return err
				}
				b := &store.BlobRow{Name: string(image.ID) + "/original", Image: image.ID, Rendition: "original", Size: int64(i + 1), PlainSize: 1, Format: "png", ETag: "e"}
				if i%2 == 0 {
					b.Inline = []byte{0, 1, 0xff}
				}
				return errors.Join(tx.PutBlob(b), tx.SetMeta("zoë", "\u00e9"),
					tx.PutUsage(&store.UsageRow{Principal: "ann", EndUser: "Zoë", Cost: vitrine.Micros(i)}))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want := dump(t, s)
		if n := len(want.rows["log"]); n != 100 || want.snap.Size != 100 || len(want.blobs) != 50 {
			t.Fatalf("%d entries, %d blobs in the bucket", n, len(want.blobs))
		}
		storetest.Each(t, func(t *testing.T, to string) {
			if err := load(t, to, want); err != nil {
				t.Fatal(err)
			}
			// Restoring is a mark that the caller takes away.
			if _, marked, err := store.ReadMeta(t.Context(), to, store.Restoring); !marked || err != nil {
				t.Errorf("marked %v, %v", marked, err)
			}
			r := storetest.Start(t, to)
			if err := r.Maintain(t.Context(), func(tx *store.Tx) error {
				return errors.Join(tx.DropMeta(store.Restoring), tx.DropMeta("more"))
			}); err != nil {
				t.Fatal(err)
			}
			storetest.Verify(t, r)
			if diff := cmp.Diff(sorted(want), sorted(dump(t, r))); diff != "" {
				t.Errorf("what came out (-want +got):\n%s", diff)
			}
			if _, err := r.Commit(t.Context(), opened(100), func(tx *store.Tx) error {
				return tx.PutUsage(&store.UsageRow{Principal: "ann", Cost: 1})
			}); err != nil {
				t.Errorf("go on: %v", err)
			}
			storetest.Verify(t, r)
		})
	})
}

// sorted brings rows, whose order is a database's own, into one.
func sorted(d dumped) map[string][]string {
	all := map[string][]string{"blobs": d.blobs}
	for name, rows := range d.rows {
		var texts []string
		for _, r := range rows {
			texts = append(texts, fmt.Sprintf("%x", r))
		}
		slices.Sort(texts)
		all["rows of "+name] = texts
	}
	return all
}

// A dump sees one moment, whatever is written meanwhile.
func TestDumpIsOneMoment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		if _, err := s.Commit(t.Context(), opened(0), nil); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := s.Dump(t.Context(), store.Dumper{
			Begin: func(snap store.Snapshot) error {
				for i := range int64(5) {
					image := imageRow(i, "d")
					if _, err := s.Commit(t.Context(), opened(i), func(tx *store.Tx) error { return tx.PutImage(image) }); err != nil {
						return err
					}
				}
				return nil
			},
			Row: func(table *store.Table, values []any) error {
				if table.Name == "images" || table.Name == "log" {
					n++
				}
				return nil
			},
			Blob: func(string, int64) error { return nil },
		})
		if n != 1 || err != nil {
			t.Errorf("%d rows, %v; want the one entry of before", n, err)
		}
	})
}

func TestLoadRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s, stop := storetest.StartUntil(t, url)
		want := dump(t, s)
		stop()
		if err := load(t, url, want); !errors.Is(err, store.ErrNotEmpty) {
			t.Errorf("into a database in use: %v", err)
		}
		for _, c := range []struct {
			name   string
			change func(*dumped)
			want   string
		}{
			{"a newer program's", func(d *dumped) { d.snap.Schema = 9999 }, "use a newer program"},
			{"a table that is none of ours", func(d *dumped) { d.snap.Tables[0].Name = "links; DROP TABLE log" }, "no table"},
			{"a table of what ends", func(d *dumped) {
				d.snap.Tables = append(d.snap.Tables, store.Table{Name: "links", Columns: []store.Column{{Name: "id"}}})
			}, "no table"},
			{"a column that is none of ours", func(d *dumped) { d.snap.Tables[0].Columns[0].Name = "x" }, "no column"},
			{"without a table", func(d *dumped) { d.snap.Tables = d.snap.Tables[1:] }, "has no table"},
			{"a row too short", func(d *dumped) { d.rows["meta"] = [][]any{{"x"}} }, "1 values"},
			{"the same row twice", func(d *dumped) { d.rows["meta"] = [][]any{{"x", "y"}, {"x", "y"}} }, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				d := dumped{snap: want.snap, rows: map[string][][]any{}}
				d.snap.Tables = nil
				for _, table := range want.snap.Tables {
					d.snap.Tables = append(d.snap.Tables, store.Table{Name: table.Name, Columns: slices.Clone(table.Columns)})
				}
				for k, v := range want.rows {
					d.rows[k] = v
				}
				c.change(&d)
				into := another(t, url)
				if err := load(t, into, d); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v; want ...%s...", err, c.want)
				}
				// What was left unfinished is in nobody's way.
				if err := load(t, into, want); err != nil {
					t.Errorf("the good one after it: %v", err)
				}
			})
		}
	})
}

// another is an empty database of the same engine.
func another(t *testing.T, url string) string {
	if base, ok := strings.CutPrefix(url, "postgres"); ok {
		return storetest.Schema(t, "postgres"+base)
	}
	return storetest.SQLite(t)
}

// A backup of an older version is loaded as it was, and then brought to this one.
func TestLoadOlder(t *testing.T) {
	d := dumped{rows: map[string][][]any{}}
	var err error
	d.snap.Schema = 1
	d.snap.Tables, err = store.DumpAsItIs(t.Context(), old(t, "version-1"), func(table *store.Table, values []any) error {
		d.rows[table.Name] = append(d.rows[table.Name], slices.Clone(values))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Each(t, func(t *testing.T, url string) {
		if err := load(t, url, d); err != nil {
			t.Fatal(err)
		}
		s := storetest.Start(t, url)
		storetest.Verify(t, s)
		if m, err := s.Image(t.Context(), imageRow(1, "d").ID); err != nil || m.Detail.Name == "" {
			t.Errorf("image: %+v, %v", m, err)
		}
		if e, err := s.Entries(t.Context(), store.EntryQuery{After: -1}); err != nil || len(e) != 4 || e[3].Personal.EndUser != "Zoë" {
			t.Errorf("entries: %+v, %v", e, err)
		}
		if u, err := s.Usage(t.Context(), store.UsageQuery{By: "end_user"}); err != nil || len(u) != 1 || u[0].Group != "Zoë" {
			t.Errorf("usage: %+v, %v", u, err)
		}
	})
}
