package bench

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A disk is what a trace makes of one folder: what is safe, and what a loss of
// power may take. It is stricter than common file systems: a name is safe only
// once its folder was synced, and of what was not synced any part may be there.
type disk struct {
	root string
	seq  int // calls applied
	live map[string]*inode
	safe map[string]*inode
	// moves are changes of names that no sync of their folder has covered.
	moves []move
	open  map[int64]*handle
}

// An inode is a file, or a folder when dir is set.
type inode struct {
	dir     bool
	size    int64 // as the program sees it
	synced  []byte
	pending []change
}

// A change is a write, or with cut set, a new length.
type change struct {
	seq  int // of the call that made it
	at   int64
	data []byte
	cut  bool
}

// A move puts an inode under a name, or takes the name away when inode is nil.
type move struct {
	seq   int
	path  string
	inode *inode
}

// A handle is an open file.
type handle struct {
	*inode
	path        string
	at          int64
	appends     bool
	synchronous bool
}

// newDisk returns an empty disk for a folder that is there already.
func newDisk(root string) *disk {
	top := &inode{dir: true}
	return &disk{
		root: root, live: map[string]*inode{root: top}, safe: map[string]*inode{root: top}, open: map[int64]*handle{},
	}
}

// inside tells whether a path belongs to the folder.
func (d *disk) inside(path string) bool {
	return path == d.root || strings.HasPrefix(path, d.root+"/")
}

// apply makes one call happen.
func (d *disk) apply(c *call) error {
	d.seq++
	if len(c.args) < arguments(c.name) {
		return fmt.Errorf("replay %s: %w", c.name, errTrace)
	}
	var err error
	switch c.name {
	case "openat":
		err = d.openat(c)
	case "write", "pwrite64", "lseek", "ftruncate", "fsync", "fdatasync":
		err = d.onHandle(c)
	case "mkdirat", "unlinkat", "renameat", "renameat2":
		err = d.onNames(c, c.args)
	case "mkdir", "unlink", "rmdir":
		err = d.onNames(c, append([]string{"AT_FDCWD"}, c.args...))
	case "rename":
		err = d.onNames(c, []string{"AT_FDCWD", c.args[0], "AT_FDCWD", c.args[1]})
	default:
		// Calls that are not understood must not touch the folder.
		if _, path, e := file(c.args[0]); e == nil && path != "" && d.inside(path) {
			err = errors.New("this call is not understood")
		}
	}
	if err != nil {
		return fmt.Errorf("replay %s %.100q: %w", c.name, c.args, err)
	}
	return nil
}

// arguments is how many arguments of a call are used at least.
func arguments(name string) int {
	switch name {
	case "pwrite64", "renameat", "renameat2":
		return 4
	case "openat", "write":
		return 3
	case "mkdirat", "unlinkat", "ftruncate", "lseek", "rename":
		return 2
	}
	return 1
}

// path returns the path that a folder's number and a name stand for.
func (d *disk) path(at, name string) (string, error) {
	b, err := unhex(name)
	if err != nil {
		return "", err
	}
	p := string(b)
	if filepath.IsAbs(p) {
		return filepath.Clean(p), nil
	}
	_, dir, err := file(at)
	return filepath.Join(dir, p), err
}

// openat opens, perhaps creates, perhaps empties a file.
func (d *disk) openat(c *call) error {
	path, err := d.path(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	delete(d.open, c.ret)
	if !d.inside(path) {
		return nil
	}
	flags := strings.Split(c.args[2], "|")
	n := d.live[path]
	if n == nil {
		n = &inode{}
		d.name(path, n)
	}
	if slices.Contains(flags, "O_TRUNC") && n.size > 0 {
		n.change(change{seq: d.seq, cut: true})
	}
	d.open[c.ret] = &handle{inode: n, path: path, appends: slices.Contains(flags, "O_APPEND"),
		synchronous: slices.Contains(flags, "O_SYNC") || slices.Contains(flags, "O_DSYNC")}
	return nil
}

// name notes a change of names.
func (d *disk) name(path string, n *inode) {
	if n == nil {
		delete(d.live, path)
	} else {
		d.live[path] = n
	}
	d.moves = append(d.moves, move{d.seq, path, n})
}

// onHandle applies a call on an open file.
func (d *disk) onHandle(c *call) error {
	fd, path, err := file(c.args[0])
	h := d.open[fd]
	if err != nil || h == nil || !d.inside(strings.TrimSuffix(path, " (deleted)")) && !strings.HasSuffix(path, "(deleted)") {
		return err
	}
	switch c.name {
	case "lseek":
		h.at = c.ret
	case "ftruncate":
		n, err := strconv.ParseInt(c.args[1], 10, 64)
		if err != nil {
			return err
		}
		h.change(change{seq: d.seq, at: n, cut: true})
	case "write", "pwrite64":
		return d.write(h, c)
	default:
		d.sync(h, c.began)
	}
	return nil
}

// write applies a write.
func (d *disk) write(h *handle, c *call) error {
	data, err := unhex(c.args[1])
	if err != nil || int64(len(data)) < c.ret {
		return errors.Join(err, errTrace)
	}
	at := h.at
	if h.appends {
		at = h.size
	}
	if c.name == "pwrite64" {
		if at, err = strconv.ParseInt(c.args[3], 10, 64); err != nil {
			return err
		}
	} else {
		h.at = at + c.ret
	}
	h.change(change{seq: d.seq, at: at, data: data[:c.ret]})
	if h.synchronous {
		h.settle(d.seq)
	}
	return nil
}

// change notes a change of content.
func (n *inode) change(c change) {
	if c.cut {
		n.size = c.at
	} else {
		n.size = max(n.size, c.at+int64(len(c.data)))
	}
	n.pending = append(n.pending, c)
}

// apply makes a change to content.
func (c change) apply(b []byte) []byte {
	end := c.at + int64(len(c.data))
	if c.cut {
		end = c.at
	}
	if end > int64(len(b)) {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	if c.cut {
		return b[:c.at]
	}
	copy(b[c.at:], c.data)
	return b
}

// settle makes the changes of calls up to seq safe.
func (n *inode) settle(seq int) {
	i := 0
	for ; i < len(n.pending) && n.pending[i].seq <= seq; i++ {
		n.synced = n.pending[i].apply(n.synced)
	}
	n.pending = n.pending[i:]
}

// sync makes safe what had finished when the sync began: the content of a file,
// or the names in a folder.
func (d *disk) sync(h *handle, began int) {
	if !h.dir {
		h.settle(began)
		return
	}
	d.moves = slices.DeleteFunc(d.moves, func(m move) bool {
		if filepath.Dir(m.path) != h.path || m.seq > began {
			return false
		}
		put(d.safe, m)
		return true
	})
}

// put applies a move to a table of names.
func put(names map[string]*inode, m move) {
	if m.inode == nil {
		delete(names, m.path)
		return
	}
	names[m.path] = m.inode
}

// onNames applies a call that changes names.
func (d *disk) onNames(c *call, args []string) error {
	path, err := d.path(args[0], args[1])
	if err != nil || !d.inside(path) {
		return err
	}
	switch c.name {
	case "mkdir", "mkdirat":
		d.name(path, &inode{dir: true})
	case "unlink", "unlinkat", "rmdir":
		d.name(path, nil)
	default:
		to, err := d.path(args[2], args[3])
		if err != nil {
			return err
		}
		if n := d.live[path]; n == nil || n.dir {
			return errors.New("only files are renamed")
		}
		n := d.live[path]
		d.name(to, n) // first, so that a half done rename loses nothing
		d.name(path, nil)
	}
	return nil
}

// rebuild writes the folder as it may be after a loss of power now. It says how
// much was not synced.
func (d *disk) rebuild(dir string, r *rand.Rand) (string, error) {
	names := maps.Clone(d.safe)
	for _, m := range d.moves[:r.IntN(len(d.moves)+1)] { // file systems keep the order of names
		put(names, m)
	}
	changes, size := 0, 0
	for _, path := range slices.Sorted(maps.Keys(names)) {
		n := names[path]
		to := dir + strings.TrimPrefix(path, d.root)
		if parent := names[filepath.Dir(path)]; path != d.root && (parent == nil || !parent.dir) {
			delete(names, path) // its folder is not there
			continue
		}
		if n.dir {
			if err := os.MkdirAll(to, 0o700); err != nil {
				return "", fmt.Errorf("rebuild folder: %w", err)
			}
			continue
		}
		changes += len(n.pending)
		for _, c := range n.pending {
			size += len(c.data)
		}
		if err := os.WriteFile(to, n.after(r), 0o600); err != nil {
			return "", fmt.Errorf("rebuild file: %w", err)
		}
	}
	return fmt.Sprintf("%d writes (%d bytes) and %d names", changes, size, len(d.moves)), nil
}

// sector is what a disk writes as a whole.
const sector = 512

// after returns the content of a file after a loss of power: what was synced,
// and of the rest nothing, or the first part with the last write torn, or any of
// its sectors.
func (n *inode) after(r *rand.Rand) []byte {
	b := slices.Clone(n.synced)
	how := r.IntN(3)
	if how == 0 || len(n.pending) == 0 {
		return b
	}
	if how == 1 {
		some := n.pending[:r.IntN(len(n.pending)+1)]
		for i, c := range some {
			if i == len(some)-1 && !c.cut {
				c.data = c.data[:r.IntN(len(c.data)+1)]
			}
			b = c.apply(b)
		}
		return b
	}
	for _, c := range n.pending {
		if c.cut {
			b = c.apply(b)
			continue
		}
		for i := 0; i < len(c.data); i += sector {
			if r.IntN(2) == 0 {
				b = change{at: c.at + int64(i), data: c.data[i:min(i+sector, len(c.data))]}.apply(b)
			}
		}
	}
	return b
}
