//go:build amd64 && gc && !purego

package argon2

import (
	"math/rand/v2"
	"testing"
)

// TestEachInstructionSetCompressesAlike has the assembly compress blocks that the portable function compresses, which lie at any
// multiple of eight bytes, and of which one may be another.
func TestEachInstructionSetCompressesAlike(t *testing.T) {
	t.Parallel()
	ways := map[string]func(out, in1, in2 *block, xor bool){"SSE": processBlockSSE}
	if hasAVX2 {
		ways["AVX2"] = processBlockAVX2
	}
	random := rand.New(rand.NewPCG(9106, 35))
	type memory struct {
		_      [1]uint64 // so that blocks do not begin where a vector may
		blocks [3]block
	}
	for round := range 1000 {
		start := &memory{}
		for i := range start.blocks {
			for j := range start.blocks[i] {
				switch round {
				case 0: // all zeros
				case 1:
					start.blocks[i][j] = ^uint64(0)
				default:
					start.blocks[i][j] = random.Uint64()
				}
			}
		}
		for _, at := range [][3]int{{0, 1, 2}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {0, 0, 0}} {
			for _, xor := range []bool{false, true} {
				want := *start
				processBlockGeneric(&want.blocks[at[0]], &want.blocks[at[1]], &want.blocks[at[2]], xor)
				for name, way := range ways {
					got := *start
					way(&got.blocks[at[0]], &got.blocks[at[1]], &got.blocks[at[2]], xor)
					if got != want {
						t.Fatalf("%s, round %d, blocks %v, xor %v: another block", name, round, at, xor)
					}
				}
			}
		}
	}
}
