//go:build amd64 && gc && !purego

package argon2

import (
	"bytes"
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
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compressesAlike(t, way)
		})
	}
}

func compressesAlike(t *testing.T, way func(out, in1, in2 *block, xor bool)) {
	t.Helper()
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
				if !slices.Equal(after(way, at, xor), after(processBlockGeneric, at, xor)) {
					t.Fatalf("round %d, blocks %v, xor %t: another block, or something beside it", round, at, xor)
				}
			}
		}
	}
}

// TestWithoutAVX2 runs the tests of whole hashes once more in a process that is told to have no AVX2, and sees that it has none.
func TestWithoutAVX2(t *testing.T) {
	t.Parallel()
	const without = "TestEachInstructionSetCompressesAlike/SSE"
	tests := []string{"TestVectors", "TestArgon2", "TestAnArenaGivesTheSameKeys", without}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run",
		"^(TestVectors|TestArgon2|TestAnArenaGivesTheSameKeys|TestEachInstructionSetCompressesAlike)$")
	again.Env = append(os.Environ(), "GODEBUG=cpu.avx2=off")
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range tests {
		if !bytes.Contains(out, []byte("--- PASS: "+name+" ")) {
			t.Errorf("%s did not run:\n%s", name, out)
		}
	}
	if bytes.Contains(out, []byte("TestEachInstructionSetCompressesAlike/AVX2")) {
		t.Errorf("the process has AVX2:\n%s", out)
	}
}
