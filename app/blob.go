package app

import (
	"context"
	"path/filepath"

	"github.com/gatehouse/gatehouse/core/blob"
)

// blobs looks at where pictures are kept, and writes none.
func (e *examination) blobs(ctx context.Context) {
	const advice = "let this user write there, or set blob.url"
	ctx, cancel := context.WithTimeout(ctx, examineDeadline)
	defer cancel()
	at := e.settings.blob.Target(e.settings.root.DataDir)
	store, err := blob.Open(ctx, e.settings.blob, e.settings.root.DataDir)
	if err != nil {
		e.fail("blob.url", err.Error(), "mend it")
		return
	}
	defer func() { _ = store.Close() }() // nothing was written
	err = store.Probe(ctx)
	switch {
	case err != nil && at.Folder != "":
		e.fail("blob", Plain(err), advice)
	case err != nil:
		e.fail("blob.url", at.Name+": "+Plain(err), "check name, endpoint, key and region in blob.url; until then pictures are neither taken nor shown")
	case at.Folder == "":
		e.ok("blob.url", at.Name+" answers")
	case !writable(firstThere(at.Folder)):
		e.fail("blob", firstThere(at.Folder)+" may not be written by this user", advice)
	default:
		e.ok("blob", "pictures are kept in "+filepath.Clean(at.Folder)+", which all instances must share")
	}
	if at.PlainText {
		e.warn("blob.url", "pictures go to another machine in plain text", "use an https:// endpoint")
	}
}
