package webhooks

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
)

const tag = "Webhooks"

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/webhooks", ID: "createWebhook", Tag: tag, Access: authz.Can(mayManage), Status: http.StatusCreated,
		Errors: []*errs.Error{ErrTooMany}, HoldsToken: true,
		Summary:     "Make a webhook",
		Description: "Makes a webhook that gets a signed POST for each event from now on, after Standard Webhooks, with the event as JSON after CloudEvents. The answer alone has the secret that the receiver verifies with. An address that is not public is refused: here where the URL spells it, and at each delivery where a name leads to it.",
	}, s.create, s.checkNew)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/webhooks", ID: "listWebhooks", Tag: tag, Access: authz.Can(mayManage),
		Summary:     "List webhooks",
		Description: "Gives one page, the newest first, and the cursor of the next one.",
	}, s.list, s.checkList)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/webhooks/{id}", ID: "getWebhook", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones, Errors: []*errs.Error{ErrNotFound},
		Summary:     "Get a webhook",
		Description: "Gives a webhook, without its secret. The `ETag` is the version of the representation.",
	}, s.get)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPatch, Path: "/webhooks/{id}", ID: "patchWebhook", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones,
		Errors:      []*errs.Error{ErrNotFound, ErrTooMany},
		Summary:     "Change a webhook",
		Description: "Changes where events go, which ones, and whether any do. One that is made active again gets what it missed, as far as that is kept (`events.retention`). The body is a JSON merge patch (RFC 7396): a member that is absent leaves what there is, and a body without members is refused. Send the `ETag` of the version that you have seen as `If-Match` to get 412 instead of overwriting another's change.",
	}, s.patch, s.checkChange)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/webhooks/{id}", ID: "deleteWebhook", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones, Errors: []*errs.Error{ErrNotFound},
		Summary:     "Delete a webhook",
		Description: "Deletes a webhook with the log of its deliveries and all that waits for it. What is on its way may still arrive.",
	}, s.delete)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/webhooks/{id}/secret", ID: "rotateWebhookSecret", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones,
		Errors: []*errs.Error{ErrNotFound}, HoldsToken: true,
		Summary:     "Give a webhook another secret",
		Description: "Makes a secret, which the answer alone has. Deliveries are signed with it and, for `webhooks.secret_overlap`, with the one of before as well, so that the receiver can move. A secret before that is worth nothing any more.",
	}, s.rotate)
	s.deliveryRoutes(r)
}

// deliveryRoutes mounts what concerns deliveries.
func (s *Service) deliveryRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/webhooks/{id}/test", ID: "testWebhook", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones,
		Errors: []*errs.Error{ErrNotFound}, AccountLimit: s.tests,
		Summary:     "Send a test to a webhook",
		Description: "Sends an event of the type `gatehouse.webhook.tested.v1`, signed as any, waits for the answer, 15 seconds at most, and says what it was. It does so for one that is not active as well. The attempt is in the log, and counts neither for nor against the webhook.",
	}, s.test)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/webhooks/{id}/deliveries", ID: "listWebhookDeliveries", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones,
		Errors:      []*errs.Error{ErrNotFound},
		Summary:     "List a webhook's deliveries",
		Description: "Gives one page of the attempts at deliveries, the newest first, and the cursor of the next one. They are kept for `webhooks.log_retention`, 10,000 at most, without what was sent and answered.",
	}, s.log, s.checkLog)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/webhooks/{id}/deliveries/{delivery}/redeliver", ID: "redeliverToWebhook", Tag: tag, Access: authz.Can(mayManage), Reaches: authz.Everyones,
		Status: http.StatusAccepted, Errors: []*errs.Error{ErrNotFound, ErrInactive, ErrNotKept},
		Summary:     "Deliver an event again",
		Description: "Has the event of an attempt sent once more, soon and with the same id, whether it was delivered, waits for its next attempt or was set aside. It is sent as it is kept: without what was personal where the account is gone.",
	}, s.redeliver)
}

func (s *Service) create(ctx context.Context, in newInput) (createdWebhook, error) {
	h, secret, err := s.Create(ctx, NewHook{URL: in.Body.URL, Description: in.Body.Description, Types: in.Body.EventTypes})
	return createdWebhook{Webhook: toResponse(h), Secret: secret.Reveal()}, err
}

func (s *Service) list(ctx context.Context, in listInput) (page.Page[Webhook], error) {
	p, err := s.List(ctx, in.Limit, in.after)
	return page.Map(p, toResponse), err
}

func (s *Service) get(ctx context.Context, in byID) (Webhook, error) {
	h, err := s.ByID(ctx, in.ID)
	return toResponse(h), err
}

func (s *Service) patch(ctx context.Context, in changeInput) (Webhook, error) {
	h, err := s.Change(ctx, in.ID, in.Body.change(), func(h Hook) error { return in.Precondition.Check(toResponse(h)) })
	return toResponse(h), err
}

func (s *Service) delete(ctx context.Context, in byID) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.Delete(ctx, in.ID)
}

func (s *Service) rotate(ctx context.Context, in byID) (newSecretResponse, error) {
	secret, previousUntil, err := s.Rotate(ctx, in.ID)
	return newSecretResponse{Secret: secret.Reveal(), PreviousExpiresAt: httpapi.Time(previousUntil)}, err
}

func (s *Service) test(ctx context.Context, in byID) (Delivery, error) {
	a, err := s.Test(ctx, in.ID, httpapi.Principal(ctx).Account)
	return toDelivery(a), err
}

func (s *Service) log(ctx context.Context, in logInput) (page.Page[Delivery], error) {
	p, err := s.Log(ctx, in.ID, in.Limit, in.after)
	return page.Map(p, toDelivery), err
}

func (s *Service) redeliver(ctx context.Context, in deliveryOf) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.Redeliver(ctx, in.ID, in.Delivery)
}
