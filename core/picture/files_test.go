package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

// The four corners of the pictures of these tests.
var (
	red    = color.RGBA{R: 0xff, A: 0xff}
	green  = color.RGBA{G: 0xff, A: 0xff}
	blue   = color.RGBA{B: 0xff, A: 0xff}
	yellow = color.RGBA{R: 0xff, G: 0xff, A: 0xff}
)

// corners is red and green above, blue and yellow below.
func corners(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, [2][2]color.RGBA{{red, green}, {blue, yellow}}[2*y/height][2*x/width])
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m))
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func gifOf(t testing.TB, frames ...image.Image) []byte {
	t.Helper()
	all := gif.GIF{}
	for _, f := range frames {
		p := image.NewPaletted(f.Bounds(), palette.WebSafe)
		for y := range p.Bounds().Dy() {
			for x := range p.Bounds().Dx() {
				p.Set(x, y, f.At(x, y))
			}
		}
		all.Image, all.Delay = append(all.Image, p), append(all.Delay, 1)
	}
	var b bytes.Buffer
	require.NoError(t, gif.EncodeAll(&b, &all))
	return b.Bytes()
}

// chunk is one of PNG's.
func chunk(name string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, name...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngHeader is a PNG that says how large it is and no more.
func pngHeader(width, height uint32, depth, colour, interlace byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(ihdr, depth, colour, 0, 0, interlace))...)
}

// afterIHDR puts chunks into a PNG.
func afterIHDR(file []byte, chunks ...[]byte) []byte {
	const ihdr = 8 + 25
	return append(append(bytes.Clone(file[:ihdr]), bytes.Join(chunks, nil)...), file[ihdr:]...)
}

// segment is one of JPEG's.
func segment(marker byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(data))), data...)
}

// afterSOI puts segments into a JPEG.
func afterSOI(file []byte, segments ...[]byte) []byte {
	return append(append(bytes.Clone(file[:2]), bytes.Join(segments, nil)...), file[2:]...)
}

// exif is a TIFF with an orientation and words that give a place away.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00")
	if order.String() == "BigEndian" {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	for _, e := range [][4]uint32{{0x8825, 4, 1, 99}, {0x0112, 3, 1, 0}} { // GPS, orientation
		b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, uint16(e[0])), uint16(e[1])), e[2])
		if e[0] == 0x0112 {
			b = append(order.AppendUint16(b, orientation), 0, 0)
		} else {
			b = order.AppendUint32(b, e[3])
		}
	}
	return append(order.AppendUint32(b, 0), "GPS 48.8584 N 2.2945 E"...)
}

func exifSegment(orientation uint16) []byte {
	return segment(markerAPP1, append([]byte("Exif\x00\x00"), exif(binary.LittleEndian, orientation)...))
}

// Two pictures of one pixel, as detectors of WebP use them.
var (
	webpLossy    = decoded("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	webpLossless = decoded("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
)

func decoded(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}
