package memfs

// dir is a directory. seen is medium after all of pending.
type dir struct {
	seen    map[string]*inode
	medium  map[string]*inode
	pending []dirOp
	subs    map[string]struct{} // directories in it, durable from the start

	// entries tells the names of one file apart: a rename moves an entry, a link
	// makes another one. Those of medium are entered in mediumEntries.
	entries       map[string]int
	mediumEntries map[string]int
	lastEntry     int
}

// dirOp is a change of names that no SyncDir covers yet.
type dirOp struct {
	node  *inode
	entry int
	from  string // name that became free, "" for a creation or a link
	to    string // name that the file got, "" for a removal
}

func newDir() *dir {
	return &dir{
		seen:    map[string]*inode{},
		medium:  map[string]*inode{},
		subs:    map[string]struct{}{},
		entries: map[string]int{}, mediumEntries: map[string]int{},
	}
}

// create makes a name, of a new file or of one that has others.
func (d *dir) create(name string, node *inode) {
	node.links++
	d.lastEntry++
	d.seen[name] = node
	d.entries[name] = d.lastEntry
	d.pending = append(d.pending, dirOp{node: node, entry: d.lastEntry, to: name})
}

// put makes a name that is on the medium already.
func (d *dir) put(name string, node *inode) {
	node.links++
	d.lastEntry++
	d.seen[name], d.medium[name] = node, node
	d.entries[name], d.mediumEntries[name] = d.lastEntry, d.lastEntry
}

func (d *dir) remove(name string, node *inode) {
	node.links--
	d.pending = append(d.pending, dirOp{node: node, entry: d.entries[name], from: name})
	delete(d.seen, name)
	delete(d.entries, name)
}

// rename returns the file that lost the name to, if there was one.
func (d *dir) rename(from, to string, node *inode) *inode {
	replaced := d.seen[to]
	if replaced != nil {
		replaced.links--
	}
	entry := d.entries[from]
	delete(d.seen, from)
	delete(d.entries, from)
	d.seen[to], d.entries[to] = node, entry
	d.pending = append(d.pending, dirOp{node: node, entry: entry, from: from, to: to})
	return replaced
}

func (d *dir) sync() {
	for _, op := range d.pending {
		op.apply(d.medium)
		delete(d.mediumEntries, op.from)
		if op.to != "" {
			d.mediumEntries[op.to] = op.entry
		}
	}
	clear(d.pending) // drops the inodes of removed files
	d.pending = d.pending[:0]
}

// apply does op to names. It holds as well when operations before it were
// lost: a name that leads to another file than op's is not op's to remove.
func (op dirOp) apply(names map[string]*inode) {
	if op.from != "" && names[op.from] == op.node {
		delete(names, op.from)
	}
	if op.to != "" {
		names[op.to] = op.node
	}
}

// survive returns the names on the medium after power loss, when keep says
// which pending operation had got there by itself.
//
// Losing an operation must not make a file vanish that nobody removed. So an
// operation that gives a file a name pulls in the earlier ones that had freed
// this name: otherwise it would overwrite a file that was renamed away. And
// an entry has one name: where the first of two renames was lost, the second
// takes the entry from wherever it is.
func (d *dir) survive(keep func() bool) map[string]*inode {
	kept := make([]bool, len(d.pending))
	for i := range kept {
		kept[i] = keep()
	}
	taken := map[string]struct{}{}
	for i := len(d.pending) - 1; i >= 0; i-- {
		op := d.pending[i]
		if _, ok := taken[op.from]; ok && op.from != "" {
			kept[i] = true
		}
		if kept[i] && op.to != "" {
			taken[op.to] = struct{}{}
		}
	}

	names := make(map[string]*inode, len(d.seen))
	place := make(map[int]string, len(d.seen)) // of entries
	for name, node := range d.medium {
		names[name] = node
		place[d.mediumEntries[name]] = name
	}
	for i, op := range d.pending {
		if !kept[i] {
			continue
		}
		if op.to != "" {
			if old, ok := place[op.entry]; ok && names[old] == op.node {
				delete(names, old)
			}
			place[op.entry] = op.to
		}
		op.apply(names)
	}
	return names
}
