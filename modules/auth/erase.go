package auth

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/modules/users"
)

// mostExported bounds each list of an export, all of which is in memory at once.
const mostExported = 10_000

// exported is what the module holds about an account. The tokens of mailed links are not stored, and of known addresses
// there are digests alone, which tell nobody the address.
type exported struct {
	MailedLinks    []exportedLink     `json:"mailed_links"`
	KnownAddresses []exportedPlace    `json:"known_addresses"`
	FailedLogins   []exportedFailures `json:"failed_logins"`
}

type exportedLink struct {
	Purpose   string        `json:"purpose"`
	Address   string        `json:"address"`
	From      *string       `json:"previous_address,omitempty"` // of a change of the address
	CreatedAt httpapi.Time  `json:"created_at"`
	ExpiresAt httpapi.Time  `json:"expires_at"`
	UsedAt    *httpapi.Time `json:"used_at"`
}

type exportedPlace struct {
	ExpiresAt httpapi.Time `json:"expires_at"`
}

type exportedFailures struct {
	Failures     int          `json:"failures"`
	BlockedUntil httpapi.Time `json:"blocked_until"`
	ExpiresAt    httpapi.Time `json:"expires_at"`
}

func (s *Service) export(ctx context.Context, id account.ID) (any, error) {
	repo := repository{s.deps.DB}
	canonical, err := repo.canonicalEmail(ctx, id)
	if err != nil {
		return nil, err
	}
	strangers, err := repo.failures(ctx, s.strangersDigest(canonical))
	if err != nil {
		return nil, err
	}
	owners, err := repo.failuresAtKnown(ctx, id)
	if err != nil {
		return nil, err
	}
	links, err := repo.tokens(ctx, id)
	if err != nil {
		return nil, err
	}
	known, err := repo.knownUntil(ctx, id)
	if err != nil {
		return nil, err
	}
	if !strangers.expiresAt.IsZero() {
		owners = append(owners, strangers)
	}
	var out exported
	for _, t := range links {
		out.MailedLinks = append(out.MailedLinks, exportedLink{
			Purpose: string(t.purpose), Address: t.address, From: t.from, CreatedAt: httpapi.Time(t.createdAt), ExpiresAt: httpapi.Time(t.expiresAt), UsedAt: (*httpapi.Time)(t.usedAt),
		})
	}
	for _, until := range known {
		out.KnownAddresses = append(out.KnownAddresses, exportedPlace{httpapi.Time(until)})
	}
	for _, f := range owners {
		out.FailedLogins = append(out.FailedLogins, exportedFailures{f.count, httpapi.Time(f.blockedUntil), httpapi.Time(f.expiresAt)})
	}
	return out, nil
}

// eraseTx deletes what was mailed to an account, where it is known, and what failed at it, so that whoever has its e-mail
// address next begins with nothing.
func (s *Service) eraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	repo := repository{tx}
	canonical, err := repo.canonicalEmail(ctx, id)
	if errors.Is(err, users.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := repo.forgetFailures(ctx, s.strangersDigest(canonical)); err != nil {
		return err
	}
	return repo.erase(ctx, id)
}
