// Package commonpasswords embeds the list of common and breached passwords that is shipped with Gatehouse. It holds data
// alone; core/password looks things up in it.
package commonpasswords

import _ "embed" // for the list below

// List is the whole list: one password a line, each at least eight characters long and case-folded, in ascending byte
// order without duplicates. It lies in the binary's read-only data, so that it costs neither start-up time nor heap.
//
//go:embed common-passwords.txt
var List string
