package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Upload says that an operation takes a file in place of a JSON body: as it is, or as the one field of a form. Its input has
// a field of the type File.
type Upload struct {
	Field   string       // of the form (RFC 7578), such as "file"
	Kind    string       // media types of a body that is the file itself, without their subtype, such as "image"
	Formats []string     // media types that the document names
	Limit   func() int64 // bytes of the file; read when a request arrives
	// Look refuses a file by its first bytes, before the rest is read; settled says that it has seen enough. It is asked again
	// when there is more, up to the first 64 KiB.
	Look func(head []byte) (settled bool, err error)
}

// File is what an Upload brought, whole.
type File []byte

const (
	// uploadHead is what is read of a file before memory for the rest is asked for.
	uploadHead = 64 << 10
	// uploadFirstLook is when Upload.Look is asked first; then each time that there is twice as much.
	uploadFirstLook = 32
	// uploadOverhead is what a form may hold beside its file.
	uploadOverhead = 16 << 10
	// uploadMemory is what all files together may take that are more than a head; who waits longer than uploadPatience for a
	// share of it is refused.
	uploadMemory   = 32 << 20
	uploadPatience = 2 * time.Second
)

// MaxUpload is the largest file that any Upload may take.
const MaxUpload = uploadMemory

var errUploadQueue = errors.New("httpapi: no memory for the file within the deadline")

// uploads shares out the memory that files take while they are worked on.
type uploads struct{ memory *semaphore.Weighted }

func newUploads() uploads { return uploads{semaphore.NewWeighted(uploadMemory)} }

// hold asks for memory, until giveBack.
func (u uploads) hold(ctx context.Context, w *response, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, uploadPatience)
	defer cancel()
	if err := u.memory.Acquire(ctx, size); err != nil {
		return errs.ErrUnavailable.WithRetryAfter(uploadPatience).WithCause(errors.Join(errUploadQueue, err))
	}
	w.held += size
	return nil
}

func (u uploads) giveBack(w *response) {
	u.memory.Release(w.held)
	w.held = 0
}

// uploadPlan is how an operation's file is taken in.
type uploadPlan struct {
	Upload

	index []int
	room  uploads
}

func (rt *Router) planUpload(u *Upload, in reflect.Type) *uploadPlan {
	for _, f := range reflect.VisibleFields(in) {
		if f.Type == reflect.TypeFor[File]() {
			return &uploadPlan{Upload: *u, index: f.Index, room: rt.uploads}
		}
	}
	panic("an operation that takes a file has an input without a File")
}

// receive checks the media type and the size that the request announces, in that order, and takes the file in.
func (p *uploadPlan) receive(w *response, r *http.Request) (File, []errs.Field, error) {
	var mediaType string
	var params map[string]string
	empty := r.ContentLength == 0 && len(r.TransferEncoding) == 0
	if given := r.Header["Content-Type"]; !empty || given != nil {
		if len(given) != 1 || !uncompressed(r.Header) {
			return nil, nil, errs.ErrUnsupportedMediaType
		}
		var err error
		if mediaType, params, err = mime.ParseMediaType(given[0]); err != nil || mediaType != formType && !strings.HasPrefix(mediaType, p.Kind+"/") {
			return nil, nil, errs.ErrUnsupportedMediaType
		}
	}
	t := taking{plan: p, w: w, ctx: r.Context(), limit: p.Limit(), announced: r.ContentLength}
	most := t.limit
	if mediaType == formType {
		most += 2 * uploadOverhead
	}
	if r.ContentLength > most {
		return nil, nil, errs.ErrPayloadTooLarge
	}
	body := http.MaxBytesReader(w, r.Body, most)
	file, faults, err := t.take(body, mediaType, params["boundary"])
	wrong := len(faults) > 0 || err != nil && errs.From(err).Status() == http.StatusBadRequest
	if wrong && t.announced < 0 && isOverlong(body) {
		return nil, nil, errs.ErrPayloadTooLarge
	}
	return file, faults, err
}

// isOverlong reads a body to its end, or to where it is larger than may be: 413 comes before 400, and a body that announces
// no size shows it no sooner.
func isOverlong(body io.Reader) bool {
	_, err := io.Copy(io.Discard, body)
	_, overlong := errors.AsType[*http.MaxBytesError](err)
	return overlong
}

const formType = "multipart/form-data"

// uncompressed says whether a body is not compressed.
func uncompressed(h http.Header) bool {
	for _, e := range h["Content-Encoding"] {
		if !strings.EqualFold(e, "identity") && e != "" {
			return false
		}
	}
	return true
}

// taking is one file on its way in.
type taking struct {
	plan      *uploadPlan
	w         *response
	ctx       context.Context
	limit     int64
	announced int64 // bytes of the whole body; -1 where the request does not say
}

// take reads the body, which is the file itself or a form.
func (t *taking) take(body io.Reader, mediaType, boundary string) (File, []errs.Field, error) {
	if mediaType == formType {
		return t.form(body, boundary)
	}
	file, err := t.file(body)
	if err == nil && len(file) == 0 {
		return nil, []errs.Field{{Pointer: "#", Code: errs.Required, Message: "a file is required"}}, nil
	}
	return file, nil, t.fault(err, "#")
}

// file reads to the end, looking at the first bytes as they arrive.
func (t *taking) file(body io.Reader) (File, error) {
	head := make([]byte, 0, 4<<10)
	settled, nextLook := false, uploadFirstLook
	for len(head) < uploadHead {
		if len(head) == cap(head) {
			head = append(make([]byte, 0, min(4*cap(head), uploadHead)), head...)
		}
		n, err := body.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return nil, err
		}
		if int64(len(head)) > t.limit {
			return nil, errs.ErrPayloadTooLarge
		}
		if !settled && len(head) > 0 && (ended || len(head) >= nextLook) {
			var refused error
			if settled, refused = t.plan.Look(head); refused != nil {
				return nil, refused
			}
			nextLook = 2 * len(head)
		}
		if ended {
			return head, nil
		}
	}
	return t.rest(head, body)
}

// rest reads what is more than a head, once there is memory for it.
func (t *taking) rest(head []byte, body io.Reader) (File, error) {
	size := t.limit
	if t.announced >= 0 {
		size = min(size, t.announced)
	}
	if err := t.plan.room.hold(t.ctx, t.w, size); err != nil {
		return nil, err
	}
	file := append(make([]byte, 0, size), head...)
	for {
		var beyond [1]byte
		into := file[len(file):cap(file)]
		if len(into) == 0 {
			into = beyond[:]
		}
		n, err := body.Read(into)
		if n > 0 && len(file) == cap(file) {
			return nil, errs.ErrPayloadTooLarge
		}
		file = file[:len(file)+n]
		if errors.Is(err, io.EOF) {
			return file, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// form reads a form whose one field is the file. Whatever else it holds is a fault, and ends the reading.
func (t *taking) form(body io.Reader, boundary string) (File, []errs.Field, error) {
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, []errs.Field{{Header: "Content-Type", Code: errs.InvalidFormat, Message: "must name the boundary of the form's parts"}}, nil
	}
	around := &allowance{body: body, left: uploadOverhead}
	parts := multipart.NewReader(around, boundary)
	at := fragment("/" + pointerEscaper.Replace(t.plan.Field))
	var file File
	for {
		part, err := parts.NextRawPart()
		ended := err == io.EOF //nolint:errorlint // where the last boundary is missing, it is wrapped
		switch {
		case ended && file == nil:
			return nil, []errs.Field{{Pointer: at, Code: errs.Required, Message: isRequired}}, nil
		case ended:
			return file, nil, nil
		case around.spent:
			return nil, nil, errs.ErrPayloadTooLarge
		case err != nil:
			return nil, nil, t.fault(err, "#")
		case part.FormName() != t.plan.Field:
			faults := []errs.Field{{Pointer: fragment("/" + pointerEscaper.Replace(part.FormName())), Code: errs.UnknownField, Message: "is not a field that this operation knows"}}
			if file == nil {
				faults = append(faults, errs.Field{Pointer: at, Code: errs.Required, Message: isRequired})
			}
			return nil, faults, nil
		case file != nil:
			return nil, []errs.Field{{Pointer: at, Code: errs.Duplicate, Message: "must stand once"}}, nil
		}
		around.left = t.limit + uploadOverhead
		if file, err = t.file(part); err != nil {
			return nil, nil, t.fault(err, at)
		}
		if len(file) == 0 {
			return nil, []errs.Field{{Pointer: at, Code: errs.Required, Message: isRequired}}, nil
		}
		around.left = uploadOverhead
	}
}

// maxBoundary is RFC 2046's (section 5.1.1).
const maxBoundary = 70

// fault tells a file that is refused from a body that did not arrive.
func (t *taking) fault(err error, at string) error {
	refused := (*errs.Error)(nil)
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return err
	case errors.As(err, &tooLarge):
		return errs.ErrPayloadTooLarge
	}
	t.w.Header()["Connection"] = []string{"close"}
	return errs.Invalid([]errs.Field{{Pointer: at, Code: errs.InvalidFormat, Message: "did not arrive whole"}})
}

// allowance bounds what is read around a file: mime/multipart reads headers of many megabytes.
type allowance struct {
	body  io.Reader
	left  int64
	spent bool
}

// Read implements io.Reader.
func (a *allowance) Read(b []byte) (int, error) {
	if a.left <= 0 {
		a.spent = true
		return 0, errs.ErrPayloadTooLarge
	}
	n, err := a.body.Read(b[:min(int64(len(b)), a.left)])
	a.left -= int64(n)
	return n, err
}
