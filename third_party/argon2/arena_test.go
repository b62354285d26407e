package argon2

import (
	"bytes"
	"fmt"
	"testing"

	upstream "golang.org/x/crypto/argon2"
)

// TestAnArenaGivesTheSameKeys has one arena hash under costs that go up and down, against the module's own function.
func TestAnArenaGivesTheSameKeys(t *testing.T) {
	t.Parallel()
	arena := &Arena{}
	for _, c := range []struct {
		time, memory uint32
		threads      uint8
		keyLen       uint32
	}{
		{1, 8, 1, 32},
		{1, 1, 1, 16}, // less than the least
		{2, 19 << 10, 1, 32},
		{2, 19 << 10, 1, 32}, // in what the same costs have left
		{3, 7 << 10, 4, 64},
		{1, 100, 3, 24}, // not a multiple of the lanes' parts
		{4, 1 << 10, 16, 100},
		{2, 20 << 10, 2, 32},
		{1, 8, 1, 4},
	} {
		t.Run(fmt.Sprintf("m=%d,t=%d,p=%d,%d", c.memory, c.time, c.threads, c.keyLen), func(t *testing.T) {
			for _, password := range []string{"", "Correct7horse", "a longer password than most people have, of some hundred bytes, so that the first hash has several blocks"} {
				salt := []byte("sixteen bytes of" + password)
				want := upstream.IDKey([]byte(password), salt, c.time, c.memory, c.threads, c.keyLen)
				if got := arena.IDKey([]byte(password), salt, c.time, c.memory, c.threads, c.keyLen); !bytes.Equal(got, want) {
					t.Errorf("of %q: %x, not %x", password, got, want)
				}
			}
		})
	}
}

func FuzzArena(f *testing.F) {
	f.Add([]byte("Correct7horse"), []byte("sixteen bytes of"), uint8(1), uint16(64), uint8(1), uint8(32))
	f.Add([]byte{}, []byte{}, uint8(3), uint16(1), uint8(7), uint8(1))
	arena := &Arena{}
	f.Fuzz(func(t *testing.T, password, salt []byte, time uint8, memory uint16, threads, keyLen uint8) {
		passes, kib, lanes, length := uint32(time%4)+1, uint32(memory%512), threads%16+1, uint32(keyLen)+1
		want := upstream.IDKey(password, salt, passes, kib, lanes, length)
		if got := arena.IDKey(password, salt, passes, kib, lanes, length); !bytes.Equal(got, want) {
			t.Errorf("%x, not %x", got, want)
		}
	})
}

func TestImpossibleCostsPanicAsTheModulesDo(t *testing.T) {
	t.Parallel()
	for _, hash := range []func(time uint32, threads uint8){
		func(time uint32, threads uint8) { (&Arena{}).IDKey(nil, nil, time, 8, threads, 32) },
		func(time uint32, threads uint8) { upstream.IDKey(nil, nil, time, 8, threads, 32) },
	} {
		for costs, want := range map[[2]uint8]string{{0, 1}: "argon2: number of rounds too small", {1, 0}: "argon2: parallelism degree too low"} {
			func() {
				defer func() {
					if got := recover(); got != want {
						t.Errorf("%v, not %q", got, want)
					}
				}()
				hash(uint32(costs[0]), costs[1])
			}()
		}
	}
}
