package picture

import (
	"bytes"
	"encoding/binary"
)

const (
	// MaxPixels is the area of the largest picture that is decoded.
	MaxPixels = 25_000_000
	// MaxMemory is what decoding one picture may take, by an estimate from its header. What 25 megapixels usually take is
	// half of it; a few rare ways to store as many take more.
	MaxMemory = 320 << 20
)

// header is what a file says about its picture before any pixel.
type header struct {
	format        format
	width, height int
	perPixel      int  // bytes that decoding takes for a pixel, at most
	rgb           bool // of a JPEG: it is copied into another form once it is decoded
	orientation   int  // EXIF's, 1 to 8; 0 where there is none
}

type format string

const (
	formatPNG  format = "png"
	formatJPEG format = "jpeg"
	formatGIF  format = "gif"
	formatWebP format = "webp"
)

// Look judges a file by its beginning: it gives ErrFormat, ErrTooLarge or ErrUnreadable as soon as the bytes show it.
// settled says that more bytes would not change the judgement.
func Look(head []byte) (settled bool, err error) {
	f, known := sniff(head)
	if !known {
		if len(head) >= longestMagic {
			return true, ErrFormat
		}
		return false, nil
	}
	h, err := readHeader(f, head)
	if err != nil {
		return true, err
	}
	return h.width > 0, nil
}

// examine judges a whole file.
func examine(file []byte) (header, error) {
	f, known := sniff(file)
	if !known {
		return header{}, ErrFormat
	}
	h, err := readHeader(f, file)
	if err == nil && h.width == 0 {
		err = ErrUnreadable
	}
	return h, err
}

// longestMagic is how many bytes it takes to know any format.
const longestMagic = 12

// sniff knows a format by its first bytes.
func sniff(b []byte) (format, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return formatPNG, true
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return formatJPEG, true
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return formatGIF, true
	case len(b) >= longestMagic && bytes.HasPrefix(b, []byte("RIFF")) && string(b[8:12]) == "WEBP":
		return formatWebP, true
	}
	return "", false
}

// readHeader reads as much of a header as there is; width is 0 while the size is not among it.
func readHeader(f format, b []byte) (header, error) {
	h := header{format: f}
	var err error
	switch f {
	case formatPNG:
		err = h.png(b)
	case formatJPEG:
		err = h.jpeg(b)
	case formatGIF:
		err = h.gif(b)
	case formatWebP:
		err = h.webp(b)
	}
	if err == nil {
		err = h.bounded()
	}
	return h, err
}

// bounded refuses more pixels, or more memory, than a decoder is given.
func (h *header) bounded() error {
	if h.rgb {
		h.perPixel += 4
	}
	if area := int64(h.width) * int64(h.height); area > MaxPixels || area*int64(h.perPixel) > MaxMemory {
		return ErrTooLarge
	}
	return nil
}

// sized notes the size, which may not be empty.
func (h *header) sized(width, height uint32) error {
	const beyond = 1 << 30 // no format of ours goes further than a few bits more, and products stay within 64
	if width == 0 || height == 0 {
		return ErrUnreadable
	}
	h.width, h.height = int(min(width, beyond)), int(min(height, beyond))
	return nil
}

// png reads IHDR (PNG section 11.2.1), and the orientation where the chunks lead to it.
func (h *header) png(b []byte) error {
	const ihdr = 8 + 8 + 13
	if len(b) < ihdr {
		return nil
	}
	if string(b[12:16]) != "IHDR" {
		return ErrUnreadable
	}
	depth, colour, interlaced := b[24], b[25], b[28] != 0
	switch {
	case depth == 16 && (colour == 2 || colour == 4 || colour == 6):
		h.perPixel = 8
	case depth == 16:
		h.perPixel = 2
	case colour == 3 || colour == 0:
		h.perPixel = 1
	default:
		h.perPixel = 4
	}
	if colour == 0 {
		h.perPixel *= 4 // with a tRNS chunk, grey becomes a colour with alpha
	}
	if interlaced {
		h.perPixel *= 2 // each pass is a picture of its own
	}
	for rest := b[8:]; len(rest) >= 12; {
		size := uint64(binary.BigEndian.Uint32(rest))
		if uint64(len(rest)) < 12+size {
			break
		}
		if string(rest[4:8]) == "eXIf" {
			h.orientation = orientation(rest[8 : 8+size])
		}
		rest = rest[12+size:]
	}
	return h.sized(binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:]))
}

// gif reads the logical screen, which holds every frame.
func (h *header) gif(b []byte) error {
	if len(b) < 10 {
		return nil
	}
	h.perPixel = 2
	return h.sized(uint32(binary.LittleEndian.Uint16(b[6:])), uint32(binary.LittleEndian.Uint16(b[8:])))
}

// webp reads the first chunk that tells the size, and the orientation where the chunks lead to it (RFC 9649).
func (h *header) webp(b []byte) error {
	for rest := b[12:]; len(rest) >= 8; {
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		name, data := string(rest[:4]), rest[8:]
		if err := h.webpChunk(name, data[:min(uint64(len(data)), size)]); err != nil {
			return err
		}
		if padded := size + size&1; uint64(len(data)) > padded {
			rest = data[padded:]
			continue
		}
		break
	}
	return nil
}

func (h *header) webpChunk(name string, data []byte) error {
	switch {
	case name == "EXIF":
		h.orientation = orientation(bytes.TrimPrefix(data, exifPrefix))
	case h.width > 0:
	case name == "VP8X" && len(data) >= 10:
		h.perPixel = 12 // colours, alpha, and what alpha is decoded from
		return h.sized(1+uint24(data[4:]), 1+uint24(data[7:]))
	case name == "VP8L" && len(data) >= 5:
		h.perPixel = 12
		bits := binary.LittleEndian.Uint32(data[1:])
		return h.sized(1+bits&0x3fff, 1+bits>>14&0x3fff)
	case name == "VP8 " && len(data) >= 10:
		h.perPixel = 4
		return h.sized(uint32(binary.LittleEndian.Uint16(data[6:])&0x3fff), uint32(binary.LittleEndian.Uint16(data[8:])&0x3fff))
	}
	return nil
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
