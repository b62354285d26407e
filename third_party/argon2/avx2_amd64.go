//go:build amd64 && gc && !purego

package argon2

import "golang.org/x/sys/cpu"

// This file, its assembly and its test are Gatehouse's own; README.md says where the others come from.

var hasAVX2 = cpu.X86.HasAVX2

// compress is the compression function of Argon2 (RFC 9106, section 3.5): out = G(in1, in2), XORed with what out held before
// if xor is set. out may be in1 or in2.
func compress(out, in1, in2 *block, xor bool) {
	if hasAVX2 {
		processBlockAVX2(out, in1, in2, xor)
	} else {
		processBlockSSE(out, in1, in2, xor)
	}
}

//go:noescape
func processBlockAVX2(out, in1, in2 *block, xor bool)
