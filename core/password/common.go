package password

import (
	"strings"

	commonpasswords "github.com/gatehouse/gatehouse/third_party/common-passwords"
)

// isCommon says whether the folded password is on the shipped list.
func isCommon(folded string) bool { return hasLine(commonpasswords.List, folded) }

// hasLine looks for a whole line in lines that are sorted by byte, each ended by a newline. It searches the text where it
// lies, in about log2(lines) steps, so that the list needs no table built at start and no memory beside the binary.
func hasLine(lines, want string) bool {
	low, high := 0, len(lines) // both always at the start of a line
	for low < high {
		middle := low + (high-low)/2
		start := low + strings.LastIndexByte(lines[low:middle], '\n') + 1
		end := start + strings.IndexByte(lines[start:], '\n')
		switch strings.Compare(lines[start:end], want) {
		case 0:
			return true
		case -1:
			low = end + 1
		default:
			high = start
		}
	}
	return false
}
