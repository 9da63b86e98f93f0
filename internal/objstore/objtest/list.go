package objtest

import (
	"slices"
	"testing"

	"tailrace/internal/objstore"
)

// listed are keys in the order in which every bucket lists them: by bytes, not
// directory by directory.
var listed = []string{"a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "b/a", "b/b", "ba"}

func fill(t *testing.T, b objstore.Bucket) {
	t.Helper()
	shuffled := slices.Clone(listed)
	slices.Reverse(shuffled)
	for _, key := range shuffled {
		put(t, b, key, "of "+key)
	}
}

func keys(t *testing.T, b objstore.Bucket, prefix, after string, max int) []string {
	t.Helper()
	infos, err := b.List(t.Context(), prefix, after, max)
	must(t, err)
	keys := []string{}
	for _, info := range infos {
		if want := int64(len("of " + info.Key)); info.Size != want || info.ETag == "" {
			t.Fatalf("List has %+v, want %d bytes and a tag", info, want)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func listsGrow(t *testing.T, b objstore.Bucket) {
	if got := keys(t, b, "", "", 10); len(got) > 0 {
		t.Fatalf("List of an empty bucket = %q", got)
	}
	fill(t, b)
	for _, l := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", listed},
		{"a/", "", []string{"a/b", "a/b-c", "a/c/d"}},
		{"a", "", []string{"a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0"}},
		{"b", "b/a", []string{"b/b", "ba"}},
		{"", "a/b0", []string{"a/c/d", "a0", "b/a", "b/b", "ba"}},
		{"a/b", "a/b", []string{"a/b-c"}},
		{"none/", "", []string{}},
		{"", "z", []string{}},
	} {
		if got := keys(t, b, l.prefix, l.after, 100); !slices.Equal(got, l.want) {
			t.Errorf("List(%q, %q) = %q, want %q", l.prefix, l.after, got, l.want)
		}
	}
}

func listsPage(t *testing.T, b objstore.Bucket) {
	fill(t, b)
	for max := 1; max <= len(listed)+1; max++ {
		all, after := []string{}, ""
		for {
			page := keys(t, b, "", after, max)
			if len(page) > max {
				t.Fatalf("a page of %d has %q", max, page)
			}
			all = append(all, page...)
			if len(page) < max {
				break
			}
			after = page[len(page)-1]
		}
		if !slices.Equal(all, listed) {
			t.Fatalf("in pages of %d: %q, want %q", max, all, listed)
		}
	}
}
