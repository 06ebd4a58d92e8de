// Package muster is the vocabulary of the whole program: the types of ids,
// levels, roles and errors, and the checks of names and texts, that every other
// package speaks in. It holds no behaviour beyond that and imports nothing of
// the module.
//
// The words are explained in docs/architecture.md. The dependency rule that
// starts here (vocabulary <- domain <- adapters <- app <- cli <- cmd) is held by
// tree_test.go beside this file.
package muster
