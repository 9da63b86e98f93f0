package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// resident is the memory of a process in bytes, as the system counts it.
type resident struct {
	now  int64
	peak int64
}

// residentOf asks the system. Where it does not tell, both are 0.
func residentOf(pid int) resident {
	file := fmt.Sprintf("/proc/%d/status", pid)
	return resident{now: kilobytes(lineWith(file, "VmRSS:")), peak: kilobytes(lineWith(file, "VmHWM:"))}
}

func kilobytes(text string) int64 {
	text, _ = strings.CutSuffix(strings.TrimSpace(text), " kB")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// watch looks at the memory of a child while something is in progress.
type watch struct {
	stop    chan struct{}
	done    sync.WaitGroup
	samples []sample
}

// sample is the resident memory when so much was done.
type sample struct {
	progress int64
	bytes    int64
}

const watchEvery = 50 * time.Millisecond

func watchChild(c *child, progress func() int64) *watch {
	w := &watch{stop: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			w.samples = append(w.samples, sample{progress(), residentOf(c.cmd.Process.Pid).now})
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// end returns how the second half of the progress compares with the first: the
// ratio of the largest values, and the slope of a line through it, in bytes of
// memory for each byte of progress.
func (w *watch) end() (ratio, slope float64) {
	close(w.stop)
	w.done.Wait()
	half := w.samples[len(w.samples)-1].progress / 2
	var first, second int64
	var n, x, y, xx, xy float64
	for _, s := range w.samples {
		if s.progress < half {
			first = max(first, s.bytes)
			continue
		}
		second = max(second, s.bytes)
		px, py := float64(s.progress), float64(s.bytes)
		n, x, y, xx, xy = n+1, x+px, y+py, xx+px*px, xy+px*py
	}
	if d := n*xx - x*x; d != 0 {
		slope = (n*xy - x*y) / d
	}
	if first > 0 {
		ratio = float64(second) / float64(first)
	}
	return ratio, slope
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// environ is the environment of a child: what sets the collector of this
// process is not for it.
func environ() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GOGC=") && !strings.HasPrefix(pair, "GOMEMLIMIT=") {
			env = append(env, pair)
		}
	}
	return env
}
