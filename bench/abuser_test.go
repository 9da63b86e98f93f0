package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// abuser is a process that misuses a server over many connections, in all ways by
// turns.
type abuser struct {
	abuseOrder
	ctx   context.Context
	stop  context.CancelFunc
	all   sync.WaitGroup
	begun atomic.Int64 // connections that were there at least once
	open  atomic.Int64

	mu   sync.Mutex
	seen map[string]int
}

// abuseOrder is what an abuser is asked to do. Without an address it is to stop.
type abuseOrder struct {
	Addr    string
	Conns   int
	Token   string // a good one, which somebody who misuses a server may have
	Expired string
	Only    string // the only kind; "" = all
}

// abuseState is how it goes.
type abuseState struct {
	Begun, Open int
	Seen        map[string]int // answers by kind of misuse and status, and connections that were refused
}

// abuserNice makes the others come first: in life who misuses a server has
// processors of its own.
const abuserNice = 10

func newAbuser() *abuser {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			syscall.Setpriority(syscall.PRIO_PROCESS, id, abuserNice) // without it the figures are worse
		}
	}
	return &abuser{stop: func() {}}
}

func (a *abuser) obey(o *abuseOrder) abuseState {
	switch {
	case o.Addr != "" && a.ctx == nil:
		a.start(o)
	case o.Addr == "":
		a.stop()
		a.all.Wait()
		a.ctx = nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return abuseState{Begun: int(a.begun.Load()), Open: int(a.open.Load()), Seen: maps.Clone(a.seen)}
}

func (a *abuser) start(o *abuseOrder) {
	a.abuseOrder, a.seen = *o, make(map[string]int)
	a.begun.Store(0)
	a.ctx, a.stop = context.WithCancel(context.Background())
	var kinds []*misuse
	for i := range misuses {
		if m := &misuses[i]; o.Only == "" || o.Only == m.name {
			kinds = append(kinds, m)
		}
	}
	for i := range o.Conns {
		a.all.Go(func() { a.connections(kinds[i%len(kinds)], i, i/len(kinds)) })
	}
}

// connections has one connection after the other, from the address with number i.
// It is the n-th of its kind.
func (a *abuser) connections(m *misuse, i, n int) {
	for first := true; a.ctx.Err() == nil; first = false {
		d := net.Dialer{LocalAddr: addressOf(i)}
		conn, err := d.DialContext(a.ctx, "tcp4", a.Addr)
		if first {
			a.begun.Add(1)
		}
		switch {
		case err != nil && a.ctx.Err() != nil:
			return
		case err != nil:
			a.note(m, "no connection")
		default:
			a.open.Add(1)
			closed := context.AfterFunc(a.ctx, func() { conn.Close() })
			a.misuse(m, conn, n)
			closed()
			if n%2 == 0 {
				conn.(*net.TCPConn).SetLinger(0) // a reset instead of an end
			}
			conn.Close()
			a.open.Add(-1)
		}
		select {
		case <-time.After(m.every):
		case <-a.ctx.Done():
		}
	}
}

// addressOf spreads clients over addresses of this machine, where it has some: ports
// of one would be used up, and limits by address are to be met by many.
func addressOf(i int) net.Addr {
	if runtime.GOOS != "linux" {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}
}

// misuse uses one connection until its end.
func (a *abuser) misuse(m *misuse, conn net.Conn, n int) {
	if m.brief {
		return
	}
	if m.begin != nil {
		if err := a.send(conn, m.begin(a, n)); err != nil && !m.deaf {
			a.hear(m, conn, m.every) // why
			return
		}
	}
	if m.deaf {
		select {
		case <-time.After(deafFor):
		case <-a.ctx.Done():
		}
		return
	}
	for {
		if m.then != nil && a.send(conn, m.then(a, n)) != nil {
			a.hear(m, conn, m.every)
			return
		}
		if !a.hear(m, conn, m.every) {
			return
		}
	}
}

// sendPatience is how long a server may take nothing of what is sent to it.
const sendPatience = time.Second

func (a *abuser) send(conn net.Conn, b []byte) error {
	conn.SetWriteDeadline(time.Now().Add(sendPatience))
	_, err := conn.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // what was not taken is lost, which makes nothing better
	}
	return err
}

var statusBegin = []byte("HTTP/1.1 ")

// hear reads for a while and notes what is answered. It is false if the connection
// has ended.
func (a *abuser) hear(m *misuse, conn net.Conn, d time.Duration) bool {
	conn.SetReadDeadline(time.Now().Add(d))
	for buf := make([]byte, 4<<10); ; {
		n, err := conn.Read(buf)
		for rest := buf[:n]; ; {
			_, after, found := bytes.Cut(rest, statusBegin)
			if !found || len(after) < 3 {
				break
			}
			a.note(m, string(after[:3]))
			rest = after
		}
		if err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

func (a *abuser) note(m *misuse, what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[m.name+" "+what]++
}

// descriptorsOf is how many a process has open, 0 where the system does not tell.
func descriptorsOf(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return len(entries), err
}
