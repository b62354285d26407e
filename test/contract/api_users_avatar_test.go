package contract_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func userAvatars() []proof {
	return []proof{
		{says: `PNG, JPEG, GIF or WebP by its bytes.`, prove: func(s *stage) {
			picture := image.NewPaletted(image.Rect(0, 0, 8, 6), color.Palette{color.White, color.Black})
			var asGIF, asJPEG bytes.Buffer
			require.NoError(s.T, gif.Encode(&asGIF, picture, nil))
			require.NoError(s.T, jpeg.Encode(&asJPEG, picture, nil))
			for _, file := range [][]byte{smallPNG(s.T), asGIF.Bytes(), asJPEG.Bytes(), smallWebP} {
				for _, claimed := range []string{"image/png", "image/jpeg", "image/svg+xml"} { // whatever it says
					s.isUser(s.upload(claimed, file), 200)
				}
			}
			for _, file := range []string{`<svg xmlns="http://www.w3.org/2000/svg"/>`, "%PDF-1.7 and more than that, so that it is long enough", "BM and more than that, so that it is long enough for a look"} {
				s.upload("image/png", []byte(file)).Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
			}
		}, elsewhere: []string{"core/picture TestEveryFormatBecomesTwoSquares"}},
		{says: `At most 5 MiB and 25 megapixels, checked before decoding.`, prove: func(s *stage) {
			large := append(smallPNG(s.T), make([]byte, 5<<20)...)
			s.upload("image/png", large).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
			body, contentType := formOf(s.T, "file", large)
			s.asUser().WithHeader("Content-Type", contentType).Put("/users/me/avatar", body).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
			decoded := s.api.App.Stores.Pictures.Stats().Done
			for _, size := range [][2]uint32{{5001, 5000}, {100_000, 100_000}, {1, 25_000_001}} {
				require.Equal(s.T, "picture_too_large", s.upload("image/png", pngHeader(size[0], size[1])).Problem(http.StatusBadRequest, "VALIDATION_ERROR").Reason)
			}
			require.Equal(s.T, decoded, s.api.App.Stores.Pictures.Stats().Done)
			require.Equal(s.T, "picture_unreadable", s.upload("image/png", pngHeader(5000, 5000)).Problem(http.StatusBadRequest, "VALIDATION_ERROR").Reason) // as many as may be, and no pixel of them
		}, elsewhere: []string{"core/picture TestWhatTheHeaderShowsIsRefusedByIt", "test/faults TestStatement22TwentyPictureBombsAtOnce"}},
		{says: `Decoded, oriented, metadata stripped, cropped square, stored at 512 and 128 pixels as JPEG (PNG when transparent) under a random name.`, prove: func(s *stage) {
			first, second := s.avatar(s.upload("image/jpeg", jpegWithNote(s.T, "note-7f3a9c"))), s.avatar(s.upload("image/jpeg", jpegWithNote(s.T, "note-7f3a9c")))
			require.Regexp(s.T, `^/avatars/[0-9a-f]{32}\.jpg$`, first)
			require.NotEqual(s.T, first, second)
			for path, side := range map[string]int{second: 512, strings.Replace(second, ".jpg", "-128.jpg", 1): 128} {
				kept := s.api.Get(path).Status(http.StatusOK).Body
				require.NotContains(s.T, string(kept), "note-7f3a9c")
				m, err := jpeg.Decode(bytes.NewReader(kept))
				require.NoError(s.T, err)
				require.Equal(s.T, image.Rect(0, 0, side, side), m.Bounds())
			}
			transparent := image.NewNRGBA(image.Rect(0, 0, 40, 20))
			var b bytes.Buffer
			require.NoError(s.T, png.Encode(&b, transparent))
			path := s.avatar(s.upload("image/png", b.Bytes()))
			require.Regexp(s.T, `^/avatars/[0-9a-f]{32}\.png$`, path)
			m, err := png.Decode(bytes.NewReader(s.api.Get(path).Status(http.StatusOK).Body))
			require.NoError(s.T, err)
			require.Equal(s.T, image.Rect(0, 0, 512, 512), m.Bounds())
		}, elsewhere: []string{"core/picture TestExifSaysWhatIsUp", "core/picture TestPixelsAloneSurvive", "core/picture TestTheSquareIsTheMiddle"}},
		{says: `Served without authentication at /avatars/{name} with a long cache and nosniff.`, prove: func(s *stage) {
			path := s.avatar(s.upload("image/png", smallPNG(s.T)))
			r := s.api.Get(path).Status(http.StatusOK)
			require.Equal(s.T, []string{"image/jpeg", "public, max-age=31536000, immutable", "nosniff"}, []string{r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"), r.Header.Get("X-Content-Type-Options")})
			for _, none := range []string{"/avatars/", "/avatars/x.jpg", strings.ToUpper(path), path + "?x=1", path + "/", "/avatars/..%2f..%2fgatehouse.db", "/avatars/" + strings.Repeat("0", 32) + ".jpg", strings.Replace(path, ".jpg", ".png", 1)} {
				s.api.Get(none).Problem(http.StatusNotFound, "NOT_FOUND")
			}
		}},
		{says: `Anything else 400/413/415, nothing stored.`, prove: func(s *stage) {
			s.api.WorkJobs()
			before, tag := s.pictures(), s.asUser().Get("/users/me").Header.Get("ETag")
			half := smallPNG(s.T)
			for want, all := range map[int][]*testkit.Response{
				400: {s.upload("image/png", half[:len(half)/2]), s.upload("image/png", []byte{}), s.upload("image/png", pngHeader(9000, 9000)), s.asUser().Put("/users/me/avatar", nil)},
				413: {s.upload("image/png", append(smallPNG(s.T), make([]byte, 5<<20)...))},
				415: {s.upload("image/png", []byte(strings.Repeat("x", 64))), s.upload("text/plain", half), s.upload("application/octet-stream", half), s.upload("application/json", []byte("{}"))},
			} {
				for i, r := range all {
					require.Equal(s.T, want, r.StatusCode, "%d: %s", i, r.Body)
				}
			}
			s.api.WorkJobs()
			require.Equal(s.T, before, s.pictures())
			require.Equal(s.T, tag, s.asUser().Get("/users/me").Header.Get("ETag"))
		}, elsewhere: []string{"modules/users TestWhatIsNoPictureIsRefusedAndLeavesNothing", "modules/users TestAnInterruptedUploadLeavesNothing"}},
		{says: `DELETE /users/me/avatar → 204.`, prove: func(s *stage) {
			path := s.avatar(s.upload("image/png", smallPNG(s.T)))
			s.emptyBody(s.asUser().Delete("/users/me/avatar", nil).Status(http.StatusNoContent))
			s.emptyBody(s.asUser().Delete("/users/me/avatar", nil).Status(http.StatusNoContent))
			require.Nil(s.T, s.members(s.asUser().Get("/users/me"))["avatar_url"])
			s.api.WorkJobs()
			s.api.Get(path).Problem(http.StatusNotFound, "NOT_FOUND")
			s.signedInOnly(http.MethodDelete, "/users/me/avatar")
		}},
		{says: `PUT and DELETE honour If-Match, of which the user has the ETag.`, prove: func(s *stage) {
			matching := func(tag string) *testkit.API {
				return s.asUser().WithHeader("If-Match", tag).WithHeader("Content-Type", "image/png")
			}
			before := s.asUser().Get("/users/me").Header.Get("ETag")
			after := matching(before).Put("/users/me/avatar", smallPNG(s.T)).Status(http.StatusOK).Header.Get("ETag")
			matching(before).Put("/users/me/avatar", smallPNG(s.T)).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
			matching(before).Delete("/users/me/avatar", nil).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
			matching(after).Delete("/users/me/avatar", nil).Status(http.StatusNoContent)
		}},
	}
}

func (s *stage) upload(contentType string, file []byte) *testkit.Response {
	return s.asUser().WithHeader("Content-Type", contentType).Put("/users/me/avatar", file)
}

// avatar gives the path of the picture in an answer of 200.
func (s *stage) avatar(r *testkit.Response) string {
	path, _ := s.isUser(r, http.StatusOK)["avatar_url"].(string)
	return path
}

// smallPNG is a picture of one colour.
func smallPNG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 20))))
	return b.Bytes()
}

// pngHeader begins a PNG of some size, and has no pixel.
func pngHeader(width, height uint32) []byte {
	head := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(head[4:], width)
	binary.BigEndian.PutUint32(head[8:], height)
	head[12] = 8 // bits; grey, and no interlacing
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

// jpegWithNote is a JPEG with a comment in it.
func jpegWithNote(t testing.TB, note string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 60, 40)), nil))
	comment := append([]byte{0xff, 0xfe, 0, byte(len(note) + 2)}, note...)
	return append(append([]byte{0xff, 0xd8}, comment...), b.Bytes()[2:]...)
}

// smallWebP is a lossless picture of one pixel.
var smallWebP = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

// formOf is a form with a file in a field.
func formOf(t testing.TB, field string, file []byte) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + field + `"; filename="me.bin"`}})
	require.NoError(t, err)
	_, err = part.Write(file)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	return b.Bytes(), form.FormDataContentType()
}
