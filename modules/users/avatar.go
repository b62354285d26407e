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

// SetAvatar makes the file the user's picture. It returns picture's errors for a file that is not to be had, and leaves
// nothing behind where it returns one: what may be left in the store is removed by a job that was there before it.
func (s *Service) SetAvatar(ctx context.Context, id account.ID, file []byte) (User, error) {
	pictures, err := s.deps.Pictures.Squares(ctx, file, avatarSide, smallAvatarSide)
	if err != nil {
		return User{}, err
	}
	a := avatarArgs{Account: id, Name: newAvatarName(pictures[0].MediaType)}
	if err := s.askToSweep(ctx, a, job.At(s.deps.Clock.Now().Add(avatarSweep))); err != nil {
		return User{}, err
	}
	u, err := s.keepAvatar(ctx, a, pictures)
	if err != nil {
		// The store may be away, and the change may have been made although its commit was cut short: the job sees.
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), asking)
		defer cancel()
		_ = s.askToSweep(now, a) // where this fails too, the first job has its turn later
	}
	return u, err
}

// keepAvatar stores the pictures, then has the account show them.
func (s *Service) keepAvatar(ctx context.Context, a avatarArgs, pictures []picture.Picture) (u User, err error) {
	for _, p := range pictures {
		if err := s.deps.Blobs.Put(ctx, avatarFolder+sized(a.Name, p.Side), p.MediaType, p.Content); err != nil {
			return User{}, err
		}
	}
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		before, ok, err := repository{tx}.lockAvatar(ctx, a.Account, s.deps.Clock.Now())
		if err != nil {
			return err
		}
		if !ok {
			return errs.ErrAuthentication // the account has ended since the token was looked at
		}
		if u, err = (repository{tx}).setAvatar(ctx, a.Account, &a.Name); err != nil {
			return err
		}
		return s.avatarChangedTx(ctx, tx, a.Account, before)
	})
	return u, err
}

// RemoveAvatar leaves the user without a picture.
func (s *Service) RemoveAvatar(ctx context.Context, id account.ID) error {
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		shown, err := repository{tx}.avatar(ctx, id)
		if err != nil || shown == nil {
			return err
		}
		before, ok, err := repository{tx}.lockAvatar(ctx, id, s.deps.Clock.Now())
		if err != nil || !ok {
			return err
		}
		if _, err := (repository{tx}).setAvatar(ctx, id, nil); err != nil {
			return err
		}
		return s.avatarChangedTx(ctx, tx, id, before)
	})
}

// avatarChangedTx does what follows from another picture, or none.
func (s *Service) avatarChangedTx(ctx context.Context, tx *database.Tx, id account.ID, before *string) error {
	s.tellTx(tx, id, true)
	if err := s.deps.Events.Append(ctx, tx, Updated{UserID: id, Changed: []string{"avatar_url"}}); err != nil {
		return err
	}
	return s.DropAvatarTx(ctx, tx, id, before)
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
