// Package config is everything that can be set from outside: one struct behind
// flags, variables of the environment and a file.
//
// Each setting is declared once, in declare.go, with its name, default, group and
// help. The flag, the variable, the key of the file, the help and the tables of
// docs/configuration.md all come from there. The command line wins over the
// environment, that over the file, and that over the default.
//
// What is unknown is an error: a misspelt setting must not be silently without
// effect. Errors name the setting and where it was given, and all of them are
// reported, not the first only.
//
// The package reads the files that are configured, and judges what can be judged
// without opening the store, a listener or a bucket. How sizes and limits go
// together with formats is known to those who use them: engine and server
// validate their options.
package config
