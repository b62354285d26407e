package users_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

// pngOf is a picture of one colour.
func pngOf(t testing.TB, c color.Color) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 30, 20))
	for i := range 600 {
		m.Set(i%30, i/30, c)
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

// album is a running app, and the folder that it keeps pictures in.
type album struct {
	*testkit.API

	folder string
}

func newAlbum(t *testing.T, db testkit.Database, opts ...testkit.Option) album {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "blobs")
	return album{testkit.Serve(t, db, append([]testkit.Option{testkit.WithSetting("blob.url", "file:"+folder)}, opts...)...), folder}
}

// files lists what is kept, whole or not.
func (a album) files(t *testing.T) []string {
	t.Helper()
	names := []string{}
	err := filepath.WalkDir(a.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return names
}

// upload sends a picture as the body itself.
func upload(api *testkit.API, u testkit.User, file []byte) *testkit.Response {
	return api.As(u).WithHeader("Content-Type", "image/png").Put("/users/me/avatar", file)
}

// avatarOf gives the avatar_url that a user has.
func avatarOf(api *testkit.API, u testkit.User) *string {
	var got struct {
		AvatarURL *string `json:"avatar_url"`
	}
	api.As(u).Get("/users/me").Status(http.StatusOK).JSON(&got)
	return got.AvatarURL
}

func TestAnAvatarIsTakenAsABodyAndAsAFormAndServedToEverybody(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		body, contentType := form(t, part{"file", "me.exe", pngOf(t, color.White)})
		for contentType, body := range map[string][]byte{"image/png": pngOf(t, color.White), "image/svg+xml": pngOf(t, color.White), contentType: body} {
			before := api.As(u).Get("/users/me").Header.Get("ETag")
			var got struct {
				AvatarURL string `json:"avatar_url"`
			}
			r := api.As(u).WithHeader("Content-Type", contentType).Put("/users/me/avatar", body).Status(http.StatusOK)
			r.JSON(&got)
			require.Regexp(t, `^/avatars/[0-9a-f]{32}\.jpg$`, got.AvatarURL)
			require.Equal(t, got.AvatarURL, *avatarOf(api.API, u))
			require.NotEqual(t, before, r.Header.Get("ETag"))
			for url, side := range map[string]int{got.AvatarURL: 512, strings.Replace(got.AvatarURL, ".jpg", "-128.jpg", 1): 128} {
				served := api.Get(url).Status(http.StatusOK)
				require.Equal(t, "image/jpeg", served.Header.Get("Content-Type"))
				require.Equal(t, "public, max-age=31536000, immutable", served.Header.Get("Cache-Control"))
				require.Equal(t, "nosniff", served.Header.Get("X-Content-Type-Options"))
				require.Contains(t, served.Header.Get("Content-Security-Policy"), "sandbox")
				require.Equal(t, fmt.Sprint(len(served.Body)), served.Header.Get("Content-Length"))
				m, err := jpeg.Decode(bytes.NewReader(served.Body))
				require.NoError(t, err)
				require.Equal(t, image.Rect(0, 0, side, side), m.Bounds())
				require.Empty(t, api.WithHeader("If-None-Match", served.Header.Get("ETag")).Get(url).Status(http.StatusNotModified).Body)
				require.Empty(t, api.Do(http.MethodHead, url, nil).Status(http.StatusOK).Body)
			}
			api.WorkJobs()
			require.Len(t, api.files(t), 2, "of the newest picture alone")
		}
	})
}

func TestAnAvatarIsReachedBelowTheBasePath(t *testing.T) {
	t.Parallel()
	db := testkit.SQLite(t)
	admin := testkit.Serve(t, db).Admin()
	api := newAlbum(t, db, testkit.WithSetting("http.base_path", "/api"))
	for _, r := range []*testkit.Response{
		api.As(admin).WithHeader("Content-Type", "image/png").Put("/api/users/me/avatar", pngOf(t, color.White)), api.As(admin).Get("/api/users/me"), api.As(admin).Get("/api/users/" + admin.ID.String()),
	} {
		var got struct {
			AvatarURL string `json:"avatar_url"`
		}
		r.Status(http.StatusOK).JSON(&got)
		require.Regexp(t, `^/api/avatars/[0-9a-f]{32}\.jpg$`, got.AvatarURL)
		api.Get(got.AvatarURL).Status(http.StatusOK)
	}
}

func TestATransparentAvatarIsAPNG(t *testing.T) {
	t.Parallel()
	api := newAlbum(t, testkit.SQLite(t))
	u := api.User()
	upload(api.API, u, pngOf(t, color.NRGBA{R: 0xff, A: 0x80})).Status(http.StatusOK)
	url := *avatarOf(api.API, u)
	require.Regexp(t, `\.png$`, url)
	require.Equal(t, "image/png", api.Get(url).Status(http.StatusOK).Header.Get("Content-Type"))
}

func TestARemovedAvatarIsGone(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		api.As(u).Delete("/users/me/avatar", nil).Status(http.StatusNoContent)
		upload(api.API, u, pngOf(t, color.White)).Status(http.StatusOK)
		url := *avatarOf(api.API, u)
		api.As(u).Delete("/users/me/avatar", nil).Status(http.StatusNoContent)
		require.Nil(t, avatarOf(api.API, u))
		api.WorkJobs()
		api.Get(url).Problem(http.StatusNotFound, "NOT_FOUND")
		require.Empty(t, api.files(t))
		api.As(u).Delete("/users/me/avatar", nil).Status(http.StatusNoContent)
	})
}

func TestAnAvatarIsChangedWhereTheVersionIsTheOneThatWasSeen(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		put := func(seen string) *testkit.Response {
			return upload(api.WithHeader("If-Match", seen), u, pngOf(t, color.White))
		}
		remove := func(seen string) *testkit.Response {
			return api.As(u).WithHeader("If-Match", seen).Delete("/users/me/avatar", nil)
		}
		first := api.As(u).Get("/users/me").Header.Get("ETag")
		put(`"x"`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		remove(`"x"`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		put("x").Invalid("If-Match invalid_format")
		api.WorkJobs()
		require.Empty(t, api.files(t))
		require.Nil(t, avatarOf(api.API, u))
		second := put(first).Status(http.StatusOK).Header.Get("ETag")
		put(first).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		remove(first).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		require.NotNil(t, avatarOf(api.API, u))
		remove(second).Status(http.StatusNoContent)
		put("*").Status(http.StatusOK)
	})
}

func TestNothingButAnAvatarIsServed(t *testing.T) {
	t.Parallel()
	api := newAlbum(t, testkit.SQLite(t))
	u := api.User()
	upload(api.API, u, pngOf(t, color.White)).Status(http.StatusOK)
	url := *avatarOf(api.API, u)
	require.NoError(t, os.WriteFile(filepath.Join(api.folder, "secret"), []byte("x"), 0o600))
	for _, other := range []string{
		url + ".unfinished", url + "?x=1", url + "?", url[:len(url)-4], strings.ToUpper(url), "/avatars/", "/avatars/..%2fsecret", "/avatars/%2e%2e%2fsecret",
		"/avatars/../secret", "/avatars/secret", "/avatars/" + strings.Repeat("0", 32) + ".jpg", strings.Replace(url, ".jpg", ".png", 1), strings.Replace(url, ".jpg", "-512.jpg", 1),
	} {
		api.Get(other).Problem(http.StatusNotFound, "NOT_FOUND")
	}
}

func TestWhatIsNoPictureIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		picture := pngOf(t, color.White)
		wide := bytes.Clone(picture)
		copy(wide[16:], "\x00\x00\xff\xff\x00\x00\xff\xff")
		for name, c := range map[string]struct {
			contentType string
			body        []byte
			status      int
			code        string
		}{
			"text":            {"image/png", []byte("hello, this is no picture"), 415, "UNSUPPORTED_MEDIA_TYPE"},
			"not an image":    {"application/octet-stream", picture, 415, "UNSUPPORTED_MEDIA_TYPE"},
			"no type":         {"", picture, 415, "UNSUPPORTED_MEDIA_TYPE"},
			"JSON":            {"application/json", []byte("{}"), 415, "UNSUPPORTED_MEDIA_TYPE"},
			"too many pixels": {"image/png", wide, 400, "VALIDATION_ERROR"},
			"half of it":      {"image/png", picture[:len(picture)/2], 400, "VALIDATION_ERROR"},
			"nothing":         {"image/png", []byte{}, 400, "VALIDATION_ERROR"},
			"over 5 MiB":      {"image/png", append(bytes.Clone(picture), make([]byte, 5<<20)...), 413, "PAYLOAD_TOO_LARGE"},
		} {
			r := api.As(u).WithHeader("Content-Type", c.contentType).Put("/users/me/avatar", c.body)
			require.Equal(t, c.status, r.StatusCode, "%s: %s", name, r.Body)
			r.Problem(c.status, c.code)
		}
		api.WithHeader("Content-Type", "image/png").Put("/users/me/avatar", picture).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		require.Nil(t, avatarOf(api.API, u))
		require.Empty(t, api.files(t))
		require.Zero(t, jobs(t, api.API), "nor is there anything to do later")
		p := api.As(u).WithHeader("Content-Type", "image/png").Put("/users/me/avatar", wide).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
		require.Equal(t, "picture_too_large", p.Reason)
	})
}

// jobs counts those that were ever enqueued for avatars.
func jobs(t *testing.T, api *testkit.API) (n int) {
	t.Helper()
	require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE kind = ?`, "users.avatar").Scan(&n))
	return n
}

func TestAStoreThatIsAwayRefusesAndChangesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		upload(api.API, u, pngOf(t, color.White)).Status(http.StatusOK)
		url := *avatarOf(api.API, u)
		folder := filepath.Join(api.folder, "avatars")
		require.NoError(t, os.Rename(folder, folder+".away"))
		require.NoError(t, os.WriteFile(folder, nil, 0o600))
		r := upload(api.API, u, pngOf(t, color.Black))
		r.Problem(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		api.Get(url).Problem(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
		require.Equal(t, url, *avatarOf(api.API, u))
		api.As(u).Delete("/users/me/avatar", nil).Status(http.StatusNoContent) // that needs no store but the database
		require.NoError(t, os.Remove(folder))
		require.NoError(t, os.Rename(folder+".away", folder))
		api.WorkJobs()
		require.Empty(t, api.files(t))
	})
}

func TestAnUploadWhoseChangeFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		require.NoError(t, api.App.Stores.DB.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			_, err := tx.Exec(ctx, `CREATE TABLE witness (id INTEGER)`)
			return err
		}))
		trigger := `CREATE TRIGGER no_avatar BEFORE UPDATE OF avatar ON users BEGIN SELECT RAISE(ABORT, 'no'); END`
		if db.Engine == database.PostgreSQL {
			trigger = `ALTER TABLE users ADD CONSTRAINT no_avatar CHECK (avatar IS NULL)`
		}
		_, err := api.App.Stores.DB.Exec(t.Context(), trigger)
		require.NoError(t, err)
		require.GreaterOrEqual(t, upload(api.API, u, pngOf(t, color.White)).StatusCode, 500)
		require.Len(t, api.files(t), 2, "they were written before the change")
		api.WorkJobs()
		require.Empty(t, api.files(t))
	})
}

func TestAnInterruptedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	api := newAlbum(t, testkit.SQLite(t))
	u := api.User()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(api.URL, "http://"))
	require.NoError(t, err)
	file := pngOf(t, color.White)
	_, err = fmt.Fprintf(conn, "PUT /users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%s", u.AccessToken, len(file), file[:len(file)-1])
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 400")
	require.NoError(t, conn.Close())
	require.Nil(t, avatarOf(api.API, u))
	require.Empty(t, api.files(t))
	require.Zero(t, jobs(t, api.API))
}

func TestUploadsAtOnceLeaveOnePicture(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		file := pngOf(t, color.White)
		var all errgroup.Group
		for range 10 {
			all.Go(func() error {
				if r := upload(api.API, u, file); r.StatusCode != http.StatusOK && r.StatusCode != http.StatusServiceUnavailable {
					return fmt.Errorf("%d: %s", r.StatusCode, r.Body)
				}
				return nil
			})
		}
		require.NoError(t, all.Wait())
		api.WorkJobs()
		require.Len(t, api.files(t), 2)
		api.Get(*avatarOf(api.API, u)).Status(http.StatusOK)
	})
}

func TestAnAccountThatHasEndedGetsNoAvatar(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := newAlbum(t, db)
		u := api.User()
		api.As(u).Get("/users/me").Status(http.StatusOK)
		_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET is_active = ? WHERE id = ?`, false, u.ID)
		require.NoError(t, err) // behind the app's back, so that the session is still remembered
		r := upload(api.API, u, pngOf(t, color.White))
		r.Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		require.Contains(t, r.Header.Get("WWW-Authenticate"), "invalid_token", "a token was sent")
		api.As(u).Delete("/users/me/avatar", nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.WorkJobs()
		require.Empty(t, api.files(t))
	})
}

// part is a field of a form.
type part struct {
	field, fileName string
	content         []byte
}

func form(t *testing.T, parts ...part) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {multipart.FileContentDisposition(p.field, p.fileName)}, "Content-Type": {"image/png"}}
		to, err := w.CreatePart(h)
		require.NoError(t, err)
		_, err = to.Write(p.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes(), w.FormDataContentType()
}

func TestAFormHoldsOneFileAndNothingElse(t *testing.T) {
	t.Parallel()
	api := newAlbum(t, testkit.SQLite(t))
	u := api.User()
	picture := pngOf(t, color.White)
	large := append(bytes.Clone(picture), make([]byte, 300_000)...)
	for name, c := range map[string]struct {
		parts  []part
		faults []string
	}{
		"no field":     {nil, []string{"#/file required"}},
		"another name": {[]part{{"avatar", "a.png", large}}, []string{"#/avatar unknown_field", "#/file required"}},
		"one more":     {[]part{{"file", "a.png", picture}, {"x/y", "", []byte("1")}}, []string{"#/x~1y unknown_field"}},
		"twice":        {[]part{{"file", "a.png", picture}, {"file", "b.png", picture}}, []string{"#/file duplicate"}},
		"empty":        {[]part{{"file", "a.png", nil}}, []string{"#/file required"}},
	} {
		t.Run(name, func(t *testing.T) {
			body, contentType := form(t, c.parts...)
			if c.parts == nil {
				body = []byte("--" + strings.SplitAfter(contentType, "boundary=")[1] + "--\r\n")
			}
			api.For(t).As(u).WithHeader("Content-Type", contentType).Put("/users/me/avatar", body).Invalid(c.faults...)
		})
	}
	body, contentType := form(t, part{"file", "a.png", picture})
	send := api.As(u).WithHeader("Content-Type", contentType)
	send.Put("/users/me/avatar", body[:len(body)-40]).Invalid("#/file invalid_format")
	send.Put("/users/me/avatar", body[:len(body)-4]).Invalid("# invalid_format")
	send.Put("/users/me/avatar?x=1", body).Invalid("x unknown_field")
	send.Put("/users/me/avatar", []byte("no form")).Invalid("# invalid_format")
	api.As(u).WithHeader("Content-Type", "multipart/form-data").Put("/users/me/avatar", body).Invalid("Content-Type invalid_format")
	api.As(u).WithHeader("Content-Type", "multipart/mixed; boundary=x").Put("/users/me/avatar", body).Problem(415, "UNSUPPORTED_MEDIA_TYPE")
	body, contentType = form(t, part{"file", strings.Repeat("long", 10_000), picture})
	api.As(u).WithHeader("Content-Type", contentType).Put("/users/me/avatar", body).Problem(413, "PAYLOAD_TOO_LARGE")
	require.Empty(t, api.files(t))
}

func TestTheLimitIsOfTheFile(t *testing.T) {
	t.Parallel()
	api := newAlbum(t, testkit.SQLite(t), testkit.WithSetting("users.avatar.max_size", "100KiB"))
	u := api.User()
	picture := pngOf(t, color.White)
	for size, want := range map[int]int{100 << 10: 200, 100<<10 + 1: 413, 1 << 20: 413} {
		file := append(bytes.Clone(picture), make([]byte, size-len(picture))...)
		body, contentType := form(t, part{"file", "a.png", file})
		for _, send := range []func() *testkit.Response{
			func() *testkit.Response { return upload(api.API, u, file) },
			func() *testkit.Response {
				return api.As(u).WithHeader("Content-Type", contentType).Put("/users/me/avatar", body)
			},
			func() *testkit.Response { // without saying how much will come
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, api.URL+"/users/me/avatar", io.MultiReader(bytes.NewReader(file)))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "image/png")
				req.Header.Set("Authorization", "Bearer "+u.AccessToken)
				return api.Send(req)
			},
		} {
			require.Equal(t, want, send().StatusCode, "%d bytes", size)
		}
	}
}

func TestABodyThatIsRefusedByItsBeginningIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	api := newAlbum(t, testkit.SQLite(t))
	u := api.User()
	wide := pngOf(t, color.White)
	copy(wide[16:], "\x00\x00\xff\xff\x00\x00\xff\xff")
	for name, c := range map[string]struct {
		length, sent string
		status       int
	}{
		"too long by its own word": {"5242881", "", 413},
		"too many pixels":          {"5000000", string(wide[:40]), 400},
		"no picture":               {"5000000", strings.Repeat("x", 40), 415},
	} {
		t.Run(name, func(t *testing.T) {
			var d net.Dialer
			conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(api.URL, "http://"))
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn, "PUT /users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: image/png\r\nContent-Length: %s\r\n\r\n%s", u.AccessToken, c.length, c.sent)
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
			head := make([]byte, 12)
			_, err = io.ReadFull(conn, head)
			require.NoError(t, err, "the rest of the body is never sent")
			require.Equal(t, fmt.Sprintf("HTTP/1.1 %d", c.status), string(head))
		})
	}
}
