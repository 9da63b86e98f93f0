// Package vfstest is the acceptance suite of file systems: every vfs.FS keeps
// these laws, whether it is made of files, of memory or of faults that do not
// strike.
package vfstest
