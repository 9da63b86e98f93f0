package bench

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// firstSeed is the seed of this run.
var firstSeed = sync.OnceValue(func() uint64 {
	if *seedFlag != 0 {
		return *seedFlag
	}
	return rand.Uint64()
})

// machine describes the machine and what else it is doing, as configuration
// lines of the benchmark format. What a system does not tell is left out.
func machine() []string {
	lines := []string{
		"go: " + runtime.Version(),
		fmt.Sprintf("cores: %d", runtime.NumCPU()),
	}
	add := func(key, value string) {
		if value = strings.TrimSpace(value); value != "" {
			lines = append(lines, key+": "+value)
		}
	}
	add("kernel", firstLine("/proc/sys/kernel/osrelease"))
	add("model", strings.TrimLeft(lineWith("/proc/cpuinfo", "model name"), " \t:"))
	add("memory", strings.TrimLeft(lineWith("/proc/meminfo", "MemTotal"), " \t:"))
	add("load", firstLine("/proc/loadavg"))
	return lines
}

func firstLine(file string) string { return lineWith(file, "") }

// lineWith returns the rest of the first line of a file that begins with
// prefix.
func lineWith(file, prefix string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), prefix); ok {
			return rest
		}
	}
	return ""
}

// cpuTime is the CPU time of this process so far, in user and system mode.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("bench: read CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// descriptors is the number of open file descriptors of this process.
func descriptors() (int, error) {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0, fmt.Errorf("bench: count descriptors: %w", err)
	}
	return len(entries), nil
}

// median of values, which it sorts; 0 if there are none.
func median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	mid := len(values) / 2
	if len(values)%2 == 1 {
		return values[mid]
	}
	return (values[mid-1] + values[mid]) / 2
}
