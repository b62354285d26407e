package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/errs"
)

// squares makes the two sides that avatars have, and reads them back.
func squares(t *testing.T, file []byte) (large, small image.Image, made []Picture) {
	t.Helper()
	made, err := NewDecoder().Squares(t.Context(), file, 512, 128)
	require.NoError(t, err)
	require.Len(t, made, 2)
	read := make([]image.Image, 0, 2)
	for i, side := range []int{512, 128} {
		m, kind, err := image.Decode(bytes.NewReader(made[i].Content))
		require.NoError(t, err)
		require.Equal(t, made[i].MediaType, "image/"+kind)
		require.Equal(t, side, made[i].Side)
		require.Equal(t, image.Rect(0, 0, side, side), m.Bounds())
		read = append(read, m)
	}
	return read[0], read[1], made
}

// near compares colours as eyes do.
func near(t *testing.T, want color.RGBA, got color.Color) {
	t.Helper()
	r, g, b, a := got.RGBA()
	for i, c := range []uint32{r, g, b, a} {
		require.InDelta(t, []uint8{want.R, want.G, want.B, want.A}[i], c>>8, 12, "%v", got)
	}
}

// quarters looks into the middle of each quarter, row by row.
func quarters(t *testing.T, m image.Image, want [4]color.RGBA) {
	t.Helper()
	side := m.Bounds().Dx()
	for i, c := range want {
		near(t, c, m.At(side/4+i%2*side/2, side/4+i/2*side/2))
	}
}

func TestEveryFormatBecomesTwoSquares(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]image.Image{"small": corners(40, 40), "as it is": corners(512, 512), "wide": corners(3000, 1400), "tall": corners(500, 2200), "thin": corners(2000, 1)} {
		for format, file := range map[string][]byte{"png": pngOf(t, m), "jpeg": jpegOf(t, m), "gif": gifOf(t, m)} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				large, small, made := squares(t, file)
				require.Equal(t, "image/jpeg", made[0].MediaType)
				if name == "thin" {
					return // its middle pixel is of one colour
				}
				quarters(t, large, [4]color.RGBA{red, green, blue, yellow})
				quarters(t, small, [4]color.RGBA{red, green, blue, yellow})
			})
		}
	}
	for _, file := range [][]byte{webpLossy, webpLossless} {
		squares(t, file)
	}
}

func TestTheSquareIsTheMiddle(t *testing.T) {
	t.Parallel()
	m := image.NewRGBA(image.Rect(0, 0, 900, 300))
	for y := range 300 {
		for x := range 900 {
			m.SetRGBA(x, y, []color.RGBA{red, green, blue}[x/300])
		}
	}
	large, _, _ := squares(t, pngOf(t, m))
	quarters(t, large, [4]color.RGBA{green, green, green, green})
}

func TestWhatIsTransparentStaysSo(t *testing.T) {
	t.Parallel()
	m := image.NewNRGBA(image.Rect(0, 0, 2048, 2048))
	for y := range 2048 {
		for x := range 1024 {
			m.SetNRGBA(x, y, color.NRGBA{R: 0xff, A: 0xff})
		}
	}
	large, small, made := squares(t, pngOf(t, m))
	require.Equal(t, "image/png", made[0].MediaType)
	for _, m := range []image.Image{large, small} {
		quarters(t, m, [4]color.RGBA{red, {}, red, {}})
	}
}

func TestEveryKindOfPNGIsRead(t *testing.T) {
	t.Parallel()
	r := image.Rect(0, 0, 20, 20)
	for _, m := range []image.Image{image.NewGray(r), image.NewGray16(r), image.NewRGBA(r), image.NewNRGBA64(r), image.NewPaletted(r, color.Palette{red, color.Transparent})} {
		squares(t, pngOf(t, m))
	}
}

func TestExifSaysWhatIsUp(t *testing.T) {
	t.Parallel()
	for orientation, want := range map[uint16][4]color.RGBA{
		0: {red, green, blue, yellow}, 1: {red, green, blue, yellow}, 2: {green, red, yellow, blue}, 3: {yellow, blue, green, red}, 4: {blue, yellow, red, green},
		5: {red, blue, green, yellow}, 6: {blue, red, yellow, green}, 7: {yellow, green, blue, red}, 8: {green, yellow, red, blue}, 9: {red, green, blue, yellow},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			tiff := exif(order, orientation)
			for name, file := range map[string][]byte{
				"jpeg": afterSOI(jpegOf(t, corners(300, 200)), segment(markerAPP1, append([]byte("Exif\x00\x00"), tiff...))),
				"png":  afterIHDR(pngOf(t, corners(300, 200)), chunk("eXIf", tiff)),
			} {
				t.Run(name+order.String(), func(t *testing.T) {
					t.Parallel()
					large, small, _ := squares(t, file)
					quarters(t, large, want)
					quarters(t, small, want)
				})
			}
		}
	}
}

func TestPixelsAloneSurvive(t *testing.T) {
	t.Parallel()
	const marker = "leave nothing of this"
	words := bytes.Repeat([]byte(marker), 3000)
	picture := corners(64, 64)
	huge := bytes.Repeat(segment(0xe2, words[:60_000]), 60) // 3.6 MB of a profile
	for name, file := range map[string][]byte{
		"EXIF and GPS in JPEG": afterSOI(jpegOf(t, picture), exifSegment(1), segment(0xfe, words[:1000])),
		"text and EXIF in PNG": afterIHDR(pngOf(t, picture), chunk("tEXt", words), chunk("eXIf", exif(binary.BigEndian, 1))),
		"huge metadata":        afterSOI(jpegOf(t, picture), huge),
		"a ZIP behind a PNG":   append(pngOf(t, picture), "PK\x03\x04"+string(words)...),
		"HTML behind a GIF":    append(gifOf(t, picture), "<script>"+string(words)...),
		"HTML in a JPEG":       afterSOI(jpegOf(t, picture), segment(0xfe, []byte("--><script>"+marker))),
	} {
		_, _, made := squares(t, file)
		for _, p := range made {
			for _, trace := range []string{marker, "Exif", "GPS", "48.8584", "script", "PK\x03\x04", "tEXt", "eXIf"} {
				require.NotContains(t, string(p.Content), trace, name)
			}
			require.Less(t, len(p.Content), 64<<10, name)
		}
	}
}

func TestOfManyFramesTheFirstIsTaken(t *testing.T) {
	t.Parallel()
	frames := slices.Repeat([]image.Image{corners(2, 2)}, 10_000)
	frames[0] = image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{green})
	large, _, _ := squares(t, gifOf(t, frames...))
	quarters(t, large, [4]color.RGBA{green, green, green, green})
}

// bombs are what a header shows.
func bombs(t testing.TB) map[string][]byte {
	t.Helper()
	jpegBomb := jpegOf(t, corners(16, 16))
	at := bytes.Index(jpegBomb, []byte{0xff, 0xc0})
	copy(jpegBomb[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	gifBomb := gifOf(t, corners(16, 16))
	copy(gifBomb[6:], []byte{0xff, 0xff, 0xff, 0xff})
	webpBomb := bytes.Clone(webpLossless)
	copy(webpBomb[21:], []byte{0xff, 0xff, 0xff, 0x0f})
	return map[string][]byte{
		"PNG of 65535 × 65535": pngHeader(65535, 65535, 8, 6, 0), "PNG of 2³²-1 × 2³²-1": pngHeader(1<<32-1, 1<<32-1, 1, 0, 0),
		"PNG of 25,000,001 pixels": pngHeader(25_000_001, 1, 8, 2, 0), "16-bit interlaced PNG": pngHeader(5000, 5000, 16, 6, 1),
		"JPEG": jpegBomb, "GIF": gifBomb, "WebP": webpBomb,
	}
}

func TestWhatTheHeaderShowsIsRefusedByIt(t *testing.T) {
	t.Parallel()
	for name, file := range bombs(t) {
		_, err := Look(file)
		require.ErrorIs(t, err, ErrTooLarge, name)
		_, err = NewDecoder().Squares(t.Context(), file, 512)
		require.ErrorIs(t, err, ErrTooLarge, name)
	}
	for _, file := range []string{"<svg xmlns='http://www.w3.org/2000/svg'/>", "%PDF-1.7 .......", "BM..............", "RIFF....WAVEfmt ", "\x00\x00\x00\x1cftypheic", "            "} {
		settled, err := Look([]byte(file))
		require.True(t, settled)
		require.ErrorIs(t, err, ErrFormat)
		require.Equal(t, 415, errs.From(err).Status())
	}
}

func TestALookSettlesOnceTheSizeIsThere(t *testing.T) {
	t.Parallel()
	for name, file := range map[string][]byte{"png": pngOf(t, corners(9, 9)), "jpeg": afterSOI(jpegOf(t, corners(9, 9)), exifSegment(3)), "gif": gifOf(t, corners(9, 9)), "webp": webpLossy} {
		before := false
		for n := range len(file) + 1 {
			settled, err := Look(file[:n])
			require.NoError(t, err, "%s of %d bytes", name, n)
			require.True(t, settled || !before, "%s of %d bytes", name, n)
			before = settled
		}
		require.True(t, before, name)
	}
}

func TestDamagedPicturesAreUnreadable(t *testing.T) {
	t.Parallel()
	for name, whole := range map[string][]byte{"png": pngOf(t, corners(200, 200)), "gif": gifOf(t, corners(200, 200)), "webp": webpLossless} {
		for _, n := range []int{len(whole) / 2, len(whole) - len(whole)/8 - 8} {
			_, err := NewDecoder().Squares(t.Context(), whole[:n], 512)
			require.ErrorIs(t, err, ErrUnreadable, "%s of %d bytes", name, n)
		}
	}
	for name, file := range map[string][]byte{
		"no pixels": pngHeader(0, 5, 8, 2, 0), "arithmetic": {0xff, 0xd8, 0xff, 0xc9, 0, 8, 8, 0, 1, 0, 1, 0}, "a scan first": {0xff, 0xd8, 0xff, 0xda, 0, 2},
		"nothing": {0xff, 0xd8, 0xff, 0xd9, 0, 0}, "size of 24 × 24 and no more": pngHeader(24, 24, 8, 2, 0), "another chunk first": []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIDAT\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00"),
	} {
		_, err := NewDecoder().Squares(t.Context(), file, 512)
		require.ErrorIs(t, err, ErrUnreadable, name)
	}
}

func TestAPictureThatTakesTooLongIsUnreadable(t *testing.T) {
	t.Parallel()
	file := jpegOf(t, corners(64, 64))
	h, err := examine(file)
	require.NoError(t, err)
	_, err = h.square(file, 512, time.Now().Add(-time.Second))
	require.ErrorIs(t, err, ErrUnreadable)
	require.ErrorIs(t, err, errTooSlow)
}

func TestOneIsDecodedAtATimeAndTheRestWaitOrAreRefused(t *testing.T) {
	t.Parallel()
	d := NewDecoder()
	file := pngOf(t, image.NewGray(image.Rect(0, 0, 1000, 1000)))
	var all errgroup.Group
	refused := make(chan error, 60)
	for range cap(refused) {
		all.Go(func() error {
			_, err := d.Squares(t.Context(), file, 512, 128)
			if errors.Is(err, errs.ErrUnavailable) {
				refused <- err
				return nil
			}
			return err
		})
	}
	require.NoError(t, all.Wait())
	close(refused)
	for err := range refused {
		require.Positive(t, errs.From(err).RetryAfter())
	}
	s := d.Stats()
	require.Equal(t, 1, s.Permits)
	require.Zero(t, s.Running)
	require.NotZero(t, s.Done)
}

func FuzzPicture(f *testing.F) {
	for _, file := range [][]byte{
		pngOf(f, corners(3, 2)), afterIHDR(pngOf(f, corners(3, 2)), chunk("eXIf", exif(binary.BigEndian, 6))), jpegOf(f, corners(3, 2)),
		afterSOI(jpegOf(f, corners(8, 8)), exifSegment(8)), gifOf(f, corners(3, 2), corners(3, 2)), webpLossy, webpLossless,
	} {
		f.Add(file)
	}
	for _, file := range bombs(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, lookErr := Look(file)
		h, err := examine(file)
		if lookErr != nil {
			require.Error(t, err, "what a look refuses stays refused")
		}
		if err != nil || h.width*h.height > 1<<20 {
			return
		}
		m, err := h.square(file, 64, time.Now().Add(decodeWithin))
		if err != nil {
			require.ErrorIs(t, err, ErrUnreadable)
			return
		}
		all, err := encodeAll(m, []int{64, 16})
		require.NoError(t, err)
		for _, p := range all {
			decode := jpeg.Decode
			if p.MediaType == "image/png" {
				decode = png.Decode
			}
			got, err := decode(bytes.NewReader(p.Content))
			require.NoError(t, err)
			require.Equal(t, image.Pt(p.Side, p.Side), got.Bounds().Size())
		}
	})
}
