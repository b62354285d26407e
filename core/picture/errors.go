package picture

import "github.com/gatehouse/gatehouse/core/errs"

var (
	// ErrFormat is a file that is no PNG, JPEG, GIF or WebP.
	ErrFormat = errs.ErrUnsupportedMediaType.WithDetail("the file is not a PNG, JPEG, GIF or WebP picture")
	// ErrTooLarge is a picture of more pixels than MaxPixels, or one that would take more than MaxMemory to decode.
	ErrTooLarge = errs.Validation("picture_too_large", "the picture has more than 25 megapixels, or is stored in a way that takes too much memory to read")
	// ErrUnreadable is a picture whose bytes cannot be decoded.
	ErrUnreadable = errs.Validation("picture_unreadable", "the picture is damaged, or is stored in a way that cannot be read")
)
