package picture

import (
	"bytes"
	"encoding/binary"
)

// Markers of JPEG (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0 // baseline
	markerSOF1 = 0xc1 // extended
	markerSOF2 = 0xc2 // progressive
	markerDHT  = 0xc4
	markerJPG  = 0xc8
	markerDAC  = 0xcc
	markerSOF  = 0xcf // the last of them
	markerRST0 = 0xd0
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP1 = 0xe1
	markerAPPE = 0xee // Adobe's
	markerTEM  = 0x01
)

// jpeg walks the segments up to the first scan: Exif has to come before it, and so has the size.
func (h *header) jpeg(b []byte) error {
	for rest := b[2:]; len(rest) >= 4; {
		if rest[0] != 0xff {
			rest = rest[1:] // what decoders skip
			continue
		}
		marker := rest[1]
		if marker == 0xff || marker == 0 || marker == markerTEM || marker >= markerRST0 && marker <= markerSOI {
			rest = rest[1:] // padding, and markers without a segment
			continue
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		switch {
		case marker == markerEOI, size < 2:
			return ErrUnreadable
		case marker == markerSOS:
			if h.width == 0 {
				return ErrUnreadable
			}
			return nil
		}
		data := rest[4:min(len(rest), 2+size)]
		if err := h.jpegSegment(marker, data); err != nil {
			return err
		}
		rest = rest[min(len(rest), 2+size):]
	}
	return nil
}

func (h *header) jpegSegment(marker byte, data []byte) error {
	switch {
	case marker == markerAPP1 && h.orientation == 0 && bytes.HasPrefix(data, exifPrefix):
		h.orientation = orientation(data[len(exifPrefix):])
	case marker == markerAPPE && bytes.HasPrefix(data, []byte("Adobe")) && len(data) >= 12 && data[11] == 0:
		h.rgb = true
	case marker == markerSOF0, marker == markerSOF1, marker == markerSOF2:
		return h.jpegFrame(data, marker == markerSOF2)
	case marker > markerSOF2 && marker <= markerSOF && marker != markerDHT && marker != markerJPG && marker != markerDAC:
		return ErrUnreadable // lossless, hierarchical and arithmetic: nobody writes them
	}
	return nil
}

// jpegFrame reads the frame's header, and what its components will take: as samples, each a byte, and where the scans are
// progressive as coefficients too, each four bytes. Samples that are not taken for each pixel count by their share.
func (h *header) jpegFrame(data []byte, progressive bool) error {
	if len(data) < 6 || len(data) < 6+3*int(data[5]) {
		return nil // the rest is still to come
	}
	components := int(data[5])
	most, all := 0, 0
	for i := range components {
		sampling := data[6+3*i+1]
		n := int(sampling>>4) * int(sampling&15)
		most, all = max(most, n), all+n
	}
	if components == 0 || most == 0 {
		return ErrUnreadable
	}
	each := 1
	if progressive {
		each += 4
	}
	h.perPixel = (each*all + most - 1) / most
	h.perPixel++ // the rest of the last row and column of blocks
	if components > 3 || string([]byte{data[6], data[min(9, len(data)-1)], data[min(12, len(data)-1)]}) == "RGB" {
		h.rgb = true
	}
	return h.sized(uint32(binary.BigEndian.Uint16(data[3:])), uint32(binary.BigEndian.Uint16(data[1:])))
}

// exifPrefix stands before Exif in JPEG, and in some WebP.
var exifPrefix = []byte("Exif\x00\x00")

// orientation finds the tag Orientation in the first directory of Exif's TIFF; 0 is none.
func orientation(tiff []byte) int {
	const entry, tagOrientation, typeShort = 12, 0x0112, 3
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			return 0
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
		entries = entries[entry:]
	}
	return 0
}
