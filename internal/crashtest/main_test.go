package crashtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	// The program is built from these while the test runs. Imported here, they
	// make go test see that a result of before a change is out of date.
	_ "tailrace/engine"
	_ "tailrace/server"
)

var (
	roundsFlag   = flag.Int("crash.rounds", 6, "how often the loaded server is killed")
	tierRounds   = flag.Int("crash.tier", 6, "how often the loaded server with a bucket is killed")
	idleFlag     = flag.Int("crash.idle", 5, "how often the idle server is killed")
	idleFile     = flag.Int64("crash.idle-log-file-bytes", 1<<20, "size of the idle server's log files")
	seedFlag     = flag.Uint64("crash.seed", 0, "seed of everything random; 0 takes a new one")
	drainReaders = flag.Int("crash.drain-readers", 1000, "readers of the server that is asked to end")
	keepFlag     = flag.String("crash.keep", "", "directory for the store of the loaded server, kept afterwards; it must not exist")
)

// program is the path of what is tested.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tailrace-crashtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "crashtest:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "tailrace")
	args := []string{"build", "-o", program}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "tailrace/cmd/tailrace")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "crashtest: build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// dependOnCommand looks at the sources of the command, which can't be imported,
// for the same reason as the imports of this file: go test notes what a running
// test opens.
var dependOnCommand = sync.OnceFunc(func() {
	if _, err := os.ReadDir("../../cmd/tailrace"); err != nil {
		panic(err)
	}
})

// newRand returns the source of everything random in a test and says how to
// get the same one again. The moments of a kill depend on the machine as well,
// so a seed repeats the work, not the run.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-crash.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// fork returns an independent source, for a goroutine of its own.
func fork(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }
