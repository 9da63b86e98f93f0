package server

import (
	"bytes"
	"strconv"

	"tailrace/engine"
)

// appendETag appends the entity tag of a read. It names the stream by its
// identity, so that a successor at the same path has other tags, and changes
// when the stream is closed or grows although the bytes are the same
// (section 10.1). Each coding of the same content has a tag of its own.
//
// Identities count up from 1 in every store, so the store's own comes first.
//
//	"[<instance>:]<id>:<from>:<next>[:u][:c][:g|:z]"   u = up to date, c = closed and at its end
//	                                                g = gzip, z = zstd as stored
func appendETag(dst []byte, instance uint64, r *engine.ReadResult, c coding) []byte {
	dst = append(dst, '"')
	if instance != 0 {
		dst = strconv.AppendUint(dst, instance, 16)
		dst = append(dst, ':')
	}
	dst = strconv.AppendUint(dst, uint64(r.ID), 10)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(r.From), 10)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(r.Next), 10)
	if r.UpToDate {
		dst = append(dst, ":u"...)
	}
	if r.AtEnd {
		dst = append(dst, ":c"...)
	}
	switch c {
	case codingGzip:
		dst = append(dst, ":g"...)
	case codingZstd:
		dst = append(dst, ":z"...)
	}
	return append(dst, '"')
}

// matchesETag reports whether one of the lists of an If-None-Match has the
// tag. A weak tag matches as well, since the comparison is the weak one.
func matchesETag(lists [][]byte, tag []byte) bool {
	for _, list := range lists {
		for len(list) > 0 {
			var item []byte
			item, list, _ = bytes.Cut(list, []byte{','})
			item = bytes.TrimPrefix(trim(item), []byte("W/"))
			if bytes.Equal(item, tag) || len(item) == 1 && item[0] == '*' {
				return true
			}
		}
	}
	return false
}
