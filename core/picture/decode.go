package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"time"

	"golang.org/x/image/webp"

	"github.com/gatehouse/gatehouse/core/gate"
)

const (
	// queueDeadline is the longest wait for the decoder; whoever would wait longer gets errs.ErrUnavailable at once.
	queueDeadline = 2 * time.Second
	// guess is how long a picture of a telephone takes, until the first ones have been timed.
	guess = 200 * time.Millisecond
	// decodeWithin ends the decoding of pictures that are made to take long, such as of 100,000 scans. It is ten times what
	// the largest honest one takes.
	decodeWithin = 10 * time.Second
	// worthCollecting is the memory from which on a decoded picture is collected at once: the collector would wait until
	// there is as much again, which the next picture would be.
	worthCollecting = 16 << 20
)

// Decoder works on one picture at a time. Make one per process, since its bound is the process's bound. It is safe for
// concurrent use.
type Decoder struct{ gate *gate.Gate }

// NewDecoder makes a Decoder.
func NewDecoder() *Decoder { return &Decoder{gate.New(1, queueDeadline, guess)} }

// Stats tells how busy the decoder is.
func (d *Decoder) Stats() gate.Stats { return d.gate.Stats() }

// Picture is a picture, encoded.
type Picture struct {
	Side      int    // pixels
	MediaType string // image/jpeg, or image/png where something is transparent
	Content   []byte
}

// Squares gives the middle of a picture at each of the sides, in pixels, the longest first. It returns ErrFormat,
// ErrTooLarge or ErrUnreadable for a file that is not to be had, and errs.ErrUnavailable where too many wait.
func (d *Decoder) Squares(ctx context.Context, file []byte, sides ...int) ([]Picture, error) {
	h, err := examine(file)
	if err != nil {
		return nil, err
	}
	if err := d.gate.Enter(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	defer func() { d.gate.Leave(time.Since(start)) }()
	square, err := h.square(file, sides[0], start.Add(decodeWithin))
	if h.width*h.height*h.perPixel > worthCollecting {
		runtime.GC()
	}
	if err != nil {
		return nil, err
	}
	return encodeAll(square, sides)
}

// square decodes the file and keeps no more of it than the square.
func (h *header) square(file []byte, side int, until time.Time) (*image.RGBA, error) {
	m, err := h.decode(&deadlineReader{r: bytes.NewReader(file), until: until})
	if err != nil {
		return nil, ErrUnreadable.WithCause(err)
	}
	b := m.Bounds()
	if b.Empty() || b.Dx() > h.width || b.Dy() > h.height {
		return nil, ErrUnreadable
	}
	deep, ok := m.(image.RGBA64Image)
	if !ok {
		return nil, ErrUnreadable // the decoders give no such picture
	}
	return upright(scale(deep, middle(deep), side), h.orientation), nil
}

// decode gives the first frame.
func (h *header) decode(r io.Reader) (image.Image, error) {
	switch h.format {
	case formatPNG:
		return png.Decode(r)
	case formatJPEG:
		return jpeg.Decode(r)
	case formatGIF:
		return gif.Decode(r)
	default:
		return webp.Decode(r)
	}
}

var errTooSlow = errors.New("picture: decoding takes too long")

// deadlineReader lets a decoder go on until a time; decoders know no contexts.
type deadlineReader struct {
	r     io.Reader
	until time.Time
}

// deadlineStep is how much a decoder gets without a look at the time.
const deadlineStep = 4 << 10

// Read implements io.Reader.
func (d *deadlineReader) Read(b []byte) (int, error) {
	if time.Until(d.until) <= 0 {
		return 0, errTooSlow
	}
	return d.r.Read(b[:min(len(b), deadlineStep)])
}
