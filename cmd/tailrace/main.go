// Command tailrace is the server: a log database for durable streams over HTTP.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// version is set by the build; without it the module's version is shown.
var version string

const usage = `tailrace is a log database for durable streams.

Usage:
  tailrace serve [flags]                 run the server
  tailrace config check [flags]          say everything that is wrong with a configuration
  tailrace config show [flags]           print what is in effect, and where it comes from
  tailrace status [--data DIR] [--json]  ask a running server how it is, its bucket above all
  tailrace check DIR [--repair]          verify every checksum and record of a store, offline
  tailrace check DIR --bucket URL        the same, and that the bucket has what it should
  tailrace backup DEST [--data DIR]      copy a store, also while a server serves it
  tailrace restore SRC DIR               make a store of a backup
  tailrace restore --bucket URL DIR      make a store of what is in a bucket
  tailrace inspect KIND FILE             print a file: wal, segment, index, manifest, checkpoint, bucket-head or bucket-state
  tailrace create NAME [flags]           make a stream; these commands ask a server, see their --help
  tailrace append NAME [flags]           append standard input or a file to a stream, each byte once
  tailrace read NAME [flags]             print what a stream has
  tailrace tail NAME [flags]             follow a stream
  tailrace head NAME [flags]             print what a stream says of itself
  tailrace close NAME [flags]            close a stream
  tailrace delete NAME [flags]           delete a stream, or with --prefix P all whose names begin with P
  tailrace ls [PREFIX] [flags]           list streams
  tailrace inspect NAME [flags]          print all that a server knows of a stream
  tailrace token KIND [flags]            make credentials: a secret, a key, a token of either kind
  tailrace version                       print the version
  tailrace help                          print this text

A command with --help lists its flags. Every flag of serve can also be given in
the environment: --log-file-bytes is TAILRACE_LOG_FILE_BYTES, and in the file that
--config names: log-file-bytes = "64MiB". SIGHUP reads that again.
`

// Exit codes: a command line that makes no sense is told from a command that
// failed.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func run(args, env []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch command, rest := args[0], args[1:]; command {
	case "serve":
		return serve(rest, env, stdout, stderr)
	case "config":
		return configure(rest, env, stdout, stderr)
	case "check":
		return check(rest, env, stdout, stderr)
	case "backup":
		return backup(rest, env, stdout, stderr)
	case "restore":
		return restore(rest, env, stdout, stderr)
	case "status":
		return showStatus(rest, env, stdout, stderr)
	case "inspect":
		return inspectAny(rest, env, stdout, stderr)
	case "create", "append", "read", "tail", "head", "close", "delete", "ls", "token":
		return runClient(command, rest, env, os.Stdin, stdout, stderr)
	case "version", "--version":
		fmt.Fprintln(stdout, "tailrace", versionText())
		return exitOK
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
		return exitOK
	default:
		fmt.Fprintf(stderr, "tailrace: unknown command %q\n\n%s", command, usage)
		return exitUsage
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
