package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
)

// quality is that of the pictures that we encode: no eye sees more in a face at 512 pixels.
const quality = 85

// middle gives the largest square in the middle.
func middle(m image.Image) image.Rectangle {
	b := m.Bounds()
	side := min(b.Dx(), b.Dy())
	at := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(side, side))}
}

// scale gives a square part of a picture at another size. A much larger one is first brought down by a whole number, pixel
// by pixel: a filter over all of it would take as much memory as the picture.
func scale(m image.RGBA64Image, part image.Rectangle, side int) *image.RGBA {
	from := image.Image(m)
	if by := part.Dx() / (2 * side); by > 1 {
		from = shrink(m, part, by)
		part = from.Bounds()
	}
	to := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.CatmullRom.Scale(to, to.Bounds(), from, part, draw.Src, nil)
	return to
}

// shrink makes one pixel the mean of by × by. Colours count by how opaque they are.
func shrink(m image.RGBA64Image, part image.Rectangle, by int) *image.RGBA {
	side := part.Dx() / by
	to := image.NewRGBA(image.Rect(0, 0, side, side))
	corner := part.Min.Add(image.Pt((part.Dx()-side*by)/2, (part.Dy()-side*by)/2))
	n := uint32(by * by)
	for y := range side {
		for x := range side {
			to.SetRGBA(x, y, mean(m, corner.Add(image.Pt(x*by, y*by)), by, n))
		}
	}
	return to
}

func mean(m image.RGBA64Image, at image.Point, by int, n uint32) color.RGBA {
	var r, g, b, a uint64
	for y := at.Y; y < at.Y+by; y++ {
		for x := at.X; x < at.X+by; x++ {
			c := m.RGBA64At(x, y)
			r, g, b, a = r+uint64(c.R), g+uint64(c.G), b+uint64(c.B), a+uint64(c.A)
		}
	}
	of := func(sum uint64) uint8 { return uint8(sum / uint64(n) >> 8) }
	return color.RGBA{R: of(r), G: of(g), B: of(b), A: of(a)}
}

// upright turns and mirrors a square as Exif's orientation asks.
func upright(m *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return m
	}
	last := m.Bounds().Dx() - 1
	// from says where a pixel of the upright picture is found.
	from := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return last - x, y },
		3: func(x, y int) (int, int) { return last - x, last - y },
		4: func(x, y int) (int, int) { return x, last - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, last - x },
		7: func(x, y int) (int, int) { return last - y, last - x },
		8: func(x, y int) (int, int) { return last - y, x },
	}[orientation]
	to := image.NewRGBA(m.Bounds())
	for y := range last + 1 {
		for x := range last + 1 {
			to.SetRGBA(x, y, m.RGBAAt(from(x, y)))
		}
	}
	return to
}

// encodeAll gives the square at each side.
func encodeAll(square *image.RGBA, sides []int) ([]Picture, error) {
	all := make([]Picture, 0, len(sides))
	opaque := square.Opaque()
	for _, side := range sides {
		m := square
		if side != square.Bounds().Dx() {
			m = scale(square, square.Bounds(), side)
		}
		var b bytes.Buffer
		p := Picture{Side: side, MediaType: "image/jpeg"}
		var err error
		if opaque {
			err = jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
		} else {
			p.MediaType = "image/png"
			err = png.Encode(&b, m)
		}
		if err != nil {
			return nil, err
		}
		p.Content = b.Bytes()
		all = append(all, p)
	}
	return all, nil
}
