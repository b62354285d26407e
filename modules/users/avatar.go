package users

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/picture"
	"github.com/gatehouse/gatehouse/modules/sessions"
)

// An avatar is kept at these sides, in pixels: the first under its name, the other with the side in it.
const (
	avatarSide      = 512
	smallAvatarSide = 128

	avatarFolder = "avatars/" // of the keys in the store
	avatarSweep  = time.Hour  // is longer than any upload takes
	asking       = 5 * time.Second
)

// avatarNames are of 128 random bits, so that nobody finds a picture whose name they were not told.
var avatarNames = regexp.MustCompile(`^([0-9a-f]{32})(-128)?\.(jpg|png)$`)

// newAvatarName makes a name that no picture ever had.
func newAvatarName(mediaType string) string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b) + extensions[mediaType]
}

var extensions = map[string]string{"image/jpeg": ".jpg", "image/png": ".png"}

// sized gives the name of an avatar's picture at a side.
func sized(name string, side int) string {
	if side == avatarSide {
		return name
	}
	dot := len(name) - len(".jpg")
	return fmt.Sprintf("%s-%d%s", name[:dot], side, name[dot:])
}

// SetAvatar makes the file the user's picture. expect is Change's. It returns picture's errors for a file that is not to be
// had, and leaves nothing behind where it returns one: what may be left in the store is removed by a job that was there
// before it.
func (s *Service) SetAvatar(ctx context.Context, id account.ID, file []byte, expect func(User) error) (User, error) {
	pictures, err := s.deps.Pictures.Squares(ctx, file, avatarSide, smallAvatarSide)
	if err != nil {
		return User{}, err
	}
	a := avatarArgs{Account: id, Name: newAvatarName(pictures[0].MediaType)}
	if err := s.askToSweep(ctx, a, job.At(s.deps.Clock.Now().Add(avatarSweep))); err != nil {
		return User{}, err
	}
	u, err := s.keepAvatar(ctx, a, pictures, expect)
	if err != nil {
		// The store may be away, and the change may have been made although its commit was cut short: the job sees.
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), asking)
		defer cancel()
		_ = s.askToSweep(now, a) // where this fails too, the first job has its turn later
	}
	return u, err
}

// keepAvatar stores the pictures, then has the account show them.
func (s *Service) keepAvatar(ctx context.Context, a avatarArgs, pictures []picture.Picture, expect func(User) error) (u User, err error) {
	for _, p := range pictures {
		if err := s.deps.Blobs.Put(ctx, avatarFolder+sized(a.Name, p.Side), p.MediaType, p.Content); err != nil {
			return User{}, err
		}
	}
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		u, err = s.showTx(ctx, tx, a.Account, &a.Name, expect)
		return err
	})
	return u, err
}

// RemoveAvatar leaves the user without a picture. expect is Change's.
func (s *Service) RemoveAvatar(ctx context.Context, id account.ID, expect func(User) error) error {
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		_, err := s.showTx(ctx, tx, id, nil, expect)
		return err
	})
}

// showTx has an account show the picture of a name, or none, and does what follows from it. It returns sessions.ErrEnded
// where the account has gone since the token was looked at.
func (s *Service) showTx(ctx context.Context, tx *database.Tx, id account.ID, name *string, expect func(User) error) (User, error) {
	was, err := repository{tx}.lock(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && !was.IsActive {
		err = sessions.ErrEnded
	}
	if err == nil && expect != nil {
		err = expect(was)
	}
	if err != nil || name == nil && was.Avatar == nil {
		return was, err
	}
	u, err := repository{tx}.setAvatar(ctx, id, name, s.deps.Clock.Now())
	if err != nil {
		return User{}, err
	}
	s.tellTx(tx, id, true)
	if err := s.deps.Events.Append(ctx, tx, Updated{UserID: id, Changed: []string{"avatar_url"}}); err != nil {
		return User{}, err
	}
	return u, s.DropAvatarTx(ctx, tx, id, was.Avatar)
}

// DropAvatarTx has the pictures of a name that the account no longer shows removed, once the transaction has committed. A
// name that is nil is no picture.
func (s *Service) DropAvatarTx(ctx context.Context, tx *database.Tx, id account.ID, name *string) error {
	if name == nil {
		return nil
	}
	return s.deps.Jobs.Enqueue(ctx, tx, avatarArgs{Account: id, Name: *name})
}

// avatarArgs ask for the pictures of a name to be removed, unless the account shows them.
type avatarArgs struct {
	Account account.ID `json:"account"`
	Name    string     `json:"name"`
}

// Kind implements job.Args.
func (avatarArgs) Kind() string { return "users.avatar" }

func (s *Service) askToSweep(ctx context.Context, a avatarArgs, o ...job.Option) error {
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error { return s.deps.Jobs.Enqueue(ctx, tx, a, o...) })
}

// sweepAvatar may run at any time and again: a name is given once, and never to another account.
func (s *Service) sweepAvatar(ctx context.Context, j job.Job[avatarArgs]) error {
	shown, err := repository{s.deps.DB}.avatar(ctx, j.Args.Account)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if shown != nil && *shown == j.Args.Name {
		return nil
	}
	var all error
	for _, side := range []int{avatarSide, smallAvatarSide} {
		all = errors.Join(all, s.deps.Blobs.Remove(ctx, avatarFolder+sized(j.Args.Name, side)))
	}
	return all
}

// openAvatar gives a picture to anybody who knows its name.
func (s *Service) openAvatar(ctx context.Context, name string) (httpapi.Content, error) {
	parts := avatarNames.FindStringSubmatch(name)
	if parts == nil {
		return httpapi.Content{}, errs.ErrNotFound
	}
	content, size, err := s.deps.Blobs.Get(ctx, avatarFolder+name)
	if errors.Is(err, blob.ErrNotFound) {
		return httpapi.Content{}, errs.ErrNotFound
	}
	if err != nil {
		return httpapi.Content{}, err
	}
	mediaType := "image/jpeg"
	if parts[3] == "png" {
		mediaType = "image/png"
	}
	return httpapi.Content{MediaType: mediaType, Size: size, Body: content}, nil
}
