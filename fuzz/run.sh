#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: run.sh [FUZZTIME [JOBS [PACKAGES]]]
#
# FUZZTIME is a duration or a count such as 1000x, for each target. JOBS targets
# run at a time, each with one worker. A line per target says how often it ran.
# What a target finds is in its package's testdata/fuzz, to be committed with
# the fix.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10m}
jobs=${2:-2}
packages=${3:-./...}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz

# Each package is compiled once, not once for each of its targets.
while read -r package dir; do
	targets=$(cd "$dir" && grep -hoE '^func Fuzz[A-Za-z0-9_]*' -- *_test.go | sed 's/^func //' | sort -u) || continue
	binary=$work/$(tr / - <<<"$package")
	go test -c -fuzz=Fuzz -o "$binary" "$package"
	for target in $targets; do
		printf '%s\t%s\t%s\t%s\n' "$binary" "$dir" "$package" "$target"
	done
done < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' "$packages" | sed '/^$/d') >"$work/targets"

# ended tells of a log whose only fault is that the time was over: the fuzzer of
# Go before 1.27 can report the end of its own time as a failure
# (https://go.dev/issue/75804). Whatever it found would be named in the log.
ended() {
	[ "$(grep -A 2 -E -- "^--- FAIL: $2 " "$1" | tail -n 2)" = $'    context deadline exceeded\nFAIL' ] &&
		! grep -qE 'Failing input|panic:|fatal error:|hung or terminated' "$1"
}

one() {
	IFS=$'\t' read -r binary dir package target <<<"$1"
	log=$work/$target-$(basename "$binary").log
	mkdir -p "$cache/$package"
	if (cd "$dir" && "$binary" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$fuzztime" -test.parallel=1 \
		-test.fuzzminimizetime=100x -test.fuzzcachedir="$cache/$package" -test.timeout=0) >"$log" 2>&1 || ended "$log" "$target"; then
		printf 'ok    %-28s %-18s %s\n' "$package" "$target" "$(grep -oE 'execs: [0-9]+' "$log" | tail -n 1)"
	else
		printf 'FAIL  %s %s\n' "$package" "$target"
		tail -n 60 "$log"
		return 1
	fi
}
export -f ended one
export work cache fuzztime
test -s "$work/targets" || { echo "no fuzz targets"; exit 1; }
tr '\n' '\0' <"$work/targets" | xargs -0 -n 1 -P "$jobs" bash -c 'one "$1"' one
