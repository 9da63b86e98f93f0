package checkpoint

import (
	"bufio"
	"fmt"
	"io"
)

// excerptBytes of a row are shown.
const excerptBytes = 48

// Dump writes an annotated listing of a file: its header, every block with its
// rows, and its totals. The error is that of the file's first fault, or of
// reading or writing.
func Dump(w io.Writer, r io.ReaderAt, size int64) error {
	out := bufio.NewWriter(w)
	err := dump(out, r, size)
	if err != nil {
		fmt.Fprintf(out, "fault: %v\n", err)
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

func dump(out io.Writer, r io.ReaderAt, size int64) error {
	f := file{r: r, size: size}
	h, err := f.header()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "header\n")
	fmt.Fprintf(out, "  version  %d\n", formatVersion)
	fmt.Fprintf(out, "  kind     %v\n", h.Kind)
	fmt.Fprintf(out, "  store    %x\n", h.Store)
	fmt.Fprintf(out, "  id       %d\n", h.ID)
	fmt.Fprintf(out, "  batch    %d\n", h.Batch)
	if h.Kind == Delta {
		fmt.Fprintf(out, "  base     %d\n", h.Base)
	}
	fmt.Fprintf(out, "  crc      %08x\n", f.chain)
	for {
		at := f.pos
		payload, rows, err := f.block()
		if err != nil {
			return err
		}
		if payload == nil {
			t := f.totals
			fmt.Fprintf(out, "footer at %d\n  %d rows of %d bytes, %d removed, %d blocks\n", at, t.Rows, t.Bytes, t.Removed, t.Blocks)
			return nil
		}
		fmt.Fprintf(out, "block at %d\n  %d rows in %d bytes, crc %08x\n", at, rows, len(payload), f.chain)
		err = f.rows(payload, rows, at+blockHeaderBytes, h.Kind, func(id uint64, removed bool, b []byte) error {
			switch {
			case removed:
				fmt.Fprintf(out, "  stream %d removed\n", id)
			case len(b) > excerptBytes:
				fmt.Fprintf(out, "  stream %d, %d bytes %q...\n", id, len(b), b[:excerptBytes])
			default:
				fmt.Fprintf(out, "  stream %d, %d bytes %q\n", id, len(b), b)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
