package bench

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var (
	pairs    = flag.Int("bench.pairs", 3, "how often the programs that are compared over HTTP take turns")
	pairTime = flag.Duration("bench.pairtime", 2*time.Second, "how long each of them runs per turn")
	conns    = flag.Int("bench.conns", 64, "connections of the client")
	profile  = flag.String("bench.profile", "", "file for CPU profiles of the server; what it does is added to the name")
	strict   = flag.Bool("bench.strict", false, "fail when a bound is broken, not only when bytes are wrong")
	seedFlag = flag.Uint64("bench.seed", 0, "seed for the choice of streams; 0 = a random one, which is printed")
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role, os.Stdin, os.Stdout))
	}
	flag.Parse()
	if f := flag.Lookup("test.bench"); f.Value.String() != "" {
		for _, line := range machine() {
			fmt.Println(line)
		}
		fmt.Printf("seed: %d\n", firstSeed())
	}
	os.Exit(m.Run())
}
