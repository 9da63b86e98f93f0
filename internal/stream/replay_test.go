package stream

import "reflect"

// checkReplay builds the table anew from the log and compares it with what was
// marked on the way and with the table as it is.
func (w *world) checkReplay() {
	w.mark()
	again := NewTable(Limits{})
	marks := w.marks
	for i := 0; ; i++ {
		for len(marks) > 0 && marks[0].records == i {
			if got := states(again); !reflect.DeepEqual(got, marks[0].state) {
				w.fail("after %d records replay gives\n%+v\nlife gave\n%+v", i, got, marks[0].state)
			}
			marks = marks[1:]
		}
		if i == len(w.log) {
			break
		}
		rec := w.decode(i)
		if _, err := again.Apply(&rec); err != nil {
			w.fail("record %d: %v", i, err)
		}
	}
	if again.LastID() != w.table.LastID() {
		w.fail("replay gives last %d, life gave %d", again.LastID(), w.table.LastID())
	}
	// What the log does not know of the last use is less than the slack.
	for s := range w.table.All {
		r := again.ByID(s.ID)
		if lag := s.Touched() - r.Touched(); lag < 0 || r.Touched() != r.Logged() || s.TTL() != NoTTL && lag >= s.TouchSlack() {
			w.fail("stream %d was last used at %d, the log says %d", s.ID, s.Touched(), r.Touched())
		}
	}
}

func (w *world) mark() {
	w.marks = append(w.marks, mark{len(w.log), states(w.table)})
}

// checkLoss leaves one record out of the log. Replay must notice it as soon as
// a later record of the same stream builds on it.
func (w *world) checkLoss(c *choices) {
	if len(w.log) == 0 {
		return
	}
	lost := (c.byte()<<8 | c.byte()) % len(w.log)
	gap := w.decode(lost)
	if gap.Kind != KindCreate && (gap.Kind != KindAppend || len(gap.Body) == 0) {
		return // nothing builds on it
	}
	again := NewTable(Limits{})
	for i := range w.log {
		rec := w.decode(i)
		if i == lost {
			continue
		}
		if _, err := again.Apply(&rec); err != nil {
			if err := checkTable(again); err != nil {
				w.fail("record %d is refused and leaves a broken table: %v", i, err)
			}
			return
		}
		if i > lost && rec.ID == gap.ID && (gap.Kind == KindCreate || rec.Kind == KindAppend) {
			w.fail("record %d applies although record %d is lost", i, lost)
		}
	}
}

func (w *world) decode(i int) Record {
	rec, err := DecodeRecord(w.log[i])
	if err != nil {
		w.fail("record %d: %v", i, err)
	}
	return rec
}
