//go:build amd64 && gc && !purego

package argon2

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// TestEachInstructionSetCompressesAlike has the assembly compress blocks that the portable function compresses, which begin at any
// word of a cache line, and of which one may be another.
func TestEachInstructionSetCompressesAlike(t *testing.T) {
	t.Parallel()
	ways := map[string]func(out, in1, in2 *block, xor bool){"SSE": processBlockSSE}
	if hasAVX2 {
		ways["AVX2"] = processBlockAVX2
	}
	const line = 64 / 8 // in words, at least so many of which surround the blocks
	random := rand.New(rand.NewPCG(9106, 35))
	start := make([]uint64, 3*blockLength+3*line)
	for round := range 1000 {
		for i := range start {
			switch round {
			case 0: // all zeros
			case 1:
				start[i] = ^uint64(0)
			default:
				start[i] = random.Uint64()
			}
		}
		after := func(way func(out, in1, in2 *block, xor bool), at [3]int, xor bool) []uint64 {
			words := slices.Clone(start)
			nth := func(n int) *block { return (*block)(words[line+round%line+n*blockLength:]) }
			way(nth(at[0]), nth(at[1]), nth(at[2]), xor)
			return words
		}
		for _, at := range [][3]int{{0, 1, 2}, {1, 0, 2}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {0, 0, 0}} {
			for _, xor := range []bool{false, true} {
				want := after(processBlockGeneric, at, xor)
				for name, way := range ways {
					if !slices.Equal(after(way, at, xor), want) {
						t.Fatalf("%s, round %d, blocks %v, xor %t: another block, or something beside it", name, round, at, xor)
					}
				}
			}
		}
	}
}

// TestWithoutAVX2 runs the tests of whole hashes once more in a process that is told to have no AVX2.
func TestWithoutAVX2(t *testing.T) {
	t.Parallel()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^(TestVectors|TestArgon2|TestAnArenaGivesTheSameKeys)$")
	again.Env = append(os.Environ(), "GODEBUG=cpu.avx2=off")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
