// Package mem is a bucket in memory, for tests: it outlives the process under
// test when that "crashes", keeps the conditions of a real store exactly, and
// can be damaged on purpose.
package mem
