package azidentity

import (
	"encoding/binary"
	"testing"
)

// A codeBook is bounded, and keeps what was used last.
func TestCodeBookIsBounded(t *testing.T) {
	t.Parallel()
	var b codeBook
	key := func(i int) (k codeKey) {
		binary.BigEndian.PutUint64(k.digest[:], uint64(i))
		return k
	}
	used := b.open(key(-1))
	last := b.open(key(0))
	for i := range 3 * maxCodes {
		last = b.open(key(i))
		if i%(maxCodes/4) == 0 && b.open(key(-1)) != used {
			t.Fatalf("a code in use was forgotten after %d others", i)
		}
		if n := len(b.young) + len(b.old); n > maxCodes {
			t.Fatalf("%d codes are kept, want at most %d", n, maxCodes)
		}
	}
	for i := range maxCodes/2 - 1 {
		if b.young[key(3*maxCodes-1-i)] == nil && b.old[key(3*maxCodes-1-i)] == nil {
			t.Fatalf("the code before the last %d was forgotten", i)
		}
	}
	if b.open(key(3*maxCodes-1)) != last {
		t.Error("the last code has two records")
	}
}
