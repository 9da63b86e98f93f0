package bucket

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is what an object holds.
type Kind uint8

const (
	Segment  Kind = 1
	Snapshot Kind = 2
	Delta    Kind = 3
	State    Kind = 5 // as package manifest numbers them
)

var endings = map[Kind]string{Segment: "seg", Snapshot: "snap", Delta: "delta", State: "state"}

func (k Kind) String() string {
	if s, ok := endings[k]; ok {
		return s
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Object is what the name of an object says.
type Object struct {
	Kind Kind
	ID   uint64
	CRC  uint32
}

// Prefix is how the names of a store begin.
func Prefix(store [16]byte) string { return fmt.Sprintf("%x/", store) }

// HeadName is the name of the head of a store.
func HeadName(store [16]byte) string { return Prefix(store) + "head" }

// Name is the name of an object of a store.
func (o Object) Name(store [16]byte) string {
	file := fmt.Sprintf("%020d-%08x.%s", o.ID, o.CRC, endings[o.Kind])
	if o.Kind == Segment {
		return fmt.Sprintf("%sseg/%02x/%s", Prefix(store), uint8(o.ID), file)
	}
	return Prefix(store) + "meta/" + file
}

// ParseName is the inverse of Name. Anything else is not the name of an object
// of the store.
func ParseName(store [16]byte, name string) (Object, bool) {
	_, file, _ := strings.Cut(name, "/")
	file = file[strings.LastIndexByte(file, '/')+1:]
	number, rest, _ := strings.Cut(file, "-")
	sum, ending, _ := strings.Cut(rest, ".")
	id, err1 := strconv.ParseUint(number, 10, 64)
	crc, err2 := strconv.ParseUint(sum, 16, 32)
	for kind, s := range endings {
		if o := (Object{kind, id, uint32(crc)}); s == ending && err1 == nil && err2 == nil && o.Name(store) == name {
			return o, true
		}
	}
	return Object{}, false
}
