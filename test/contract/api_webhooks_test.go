package contract_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContractWebhooks(t *testing.T) {
	t.Parallel()
	proveChapter(t, ofWebhooks())
}

// hooked names tests of the module.
func hooked(names ...string) []string {
	for i, n := range names {
		names[i] = "modules/webhooks " + n
	}
	return names
}

func ofWebhooks() []proof {
	return []proof{
		{says: `Administrators have events sent to URLs of their choice, signed after Standard Webhooks.`, elsewhere: hooked("TestADeliveryVerifiesWithThePublicLibrary")},
		{says: `/webhooks | POST | 201 Webhook with secret, Location | {"url", "description", "event_types"}, the latter two optional`, prove: func(s *stage) {
			s.administratorsOnly(http.MethodPost, "/webhooks")
			r := s.asAdmin().Post("/webhooks", `{"url":"https://example.com/"}`).Status(http.StatusCreated)
			w := s.members(r)
			require.Equal(s.T, slices.Sorted(slices.Values(append(slices.Clone(webhookMembers), "secret"))), names(w))
			require.Equal(s.T, "/webhooks/"+w["id"].(string), r.Header.Get("Location"))
			below := s.with("http.base_path=/api").As(s.admin).Do(http.MethodPost, "/api/webhooks", aWebhook).Status(http.StatusCreated)
			require.Regexp(s.T, "^/api/webhooks/", below.Header.Get("Location"))
		}},
		{says: `/webhooks | GET | 200 list | paginated, the newest first`, elsewhere: hooked("TestAllWebhooksAreListedTheNewestFirst"), prove: func(s *stage) {
			s.administratorsOnly(http.MethodGet, "/webhooks")
			made := newWebhook(s.T, s.asAdmin())
			items := s.items(s.asAdmin().Get("/webhooks?limit=1"))
			require.Equal(s.T, []any{made, 1}, []any{items[0]["id"], len(items)})
			require.Equal(s.T, webhookMembers, names(items[0]))
		}},
		{says: `/webhooks/{id} | GET | 200 Webhook | with ETag`, prove: func(s *stage) {
			at := "/webhooks/" + newWebhook(s.T, s.asAdmin())
			s.administratorsOnly(http.MethodGet, at)
			r := s.asAdmin().Get(at).Status(http.StatusOK)
			require.Equal(s.T, webhookMembers, names(s.members(r)))
			require.NotEmpty(s.T, r.Header.Get("ETag"))
		}},
		{says: `/webhooks/{id} | PATCH | 200 Webhook | url, description, event_types, is_active; JSON merge, If-Match`, elsewhere: hooked("TestAWebhookIsMadeFoundChangedAndDeleted"), prove: func(s *stage) {
			at := "/webhooks/" + newWebhook(s.T, s.asAdmin())
			s.administratorsOnly(http.MethodPatch, at)
			s.asAdmin().WithHeader("If-Match", `"x"`).Patch(at, `{"is_active":false}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
			w := s.members(s.asAdmin().Patch(at, `{"is_active":false}`).Status(http.StatusOK))
			require.Equal(s.T, []any{false, "administrator"}, []any{w["is_active"], w["disabled_reason"]})
		}},
		{says: `/webhooks/{id} | DELETE | 204 | with its log and all that waits for it`, prove: func(s *stage) {
			about := deliveredTo(s.T, s.with(), s.admin)
			at := "/webhooks/" + about.webhook
			s.administratorsOnly(http.MethodDelete, at)
			s.emptyBody(s.asAdmin().Delete(at, nil).Status(http.StatusNoContent))
			for from, args := range map[string]string{
				"webhooks_deliveries WHERE webhook_id = ?": about.webhook, "gatehouse_event_destinations WHERE name = ?": "webhooks." + about.webhook,
				"gatehouse_event_deliveries WHERE destination = ?": "webhooks." + about.webhook,
			} {
				var n int
				require.NoError(s.T, s.api.App.Stores.DB.QueryRow(s.Context(), "SELECT count(*) FROM "+from, args).Scan(&n))
				require.Zero(s.T, n, from)
			}
		}},
		{says: `/webhooks/{id}/secret | POST | 200 | {"secret", "previous_expires_at"}: another secret; the old one signs as well for 24 hours`, elsewhere: hooked("TestADeliveryVerifiesWithThePublicLibrary"), prove: func(s *stage) {
			at := "/webhooks/" + newWebhook(s.T, s.asAdmin()) + "/secret"
			s.administratorsOnly(http.MethodPost, at)
			require.Equal(s.T, []string{"previous_expires_at", "secret"}, names(s.members(s.asAdmin().Post(at, nil).Status(http.StatusOK))))
		}},
		{says: `/webhooks/{id}/test | POST | 200 Delivery | sends a test and waits for the answer; 10/min per user`, elsewhere: hooked("TestATestIsDeliveredAtOnceAndChangesNothing"), prove: func(s *stage) {
			at := "/webhooks/" + newWebhook(s.T, s.asAdmin()) + "/test"
			s.administratorsOnly(http.MethodPost, at)
			limited := s.limited().As(s.admin)
			for range 10 {
				r := limited.Post(at, nil).Status(http.StatusOK)
				require.Equal(s.T, deliveryMembers, names(s.members(r)))
				s.policy(r, "webhook_test", 10)
			}
			s.refused(limited.Post(at, nil))
		}},
		{says: `/webhooks/{id}/deliveries | GET | 200 list | attempts of the last 7 days, paginated, the newest first`, elsewhere: hooked("TestTheLogIsKeptForAsLongAsTheSettingsSay"), prove: func(s *stage) {
			about := deliveredTo(s.T, s.with(), s.admin)
			at := "/webhooks/" + about.webhook
			s.administratorsOnly(http.MethodGet, at+"/deliveries")
			tested := s.members(s.asAdmin().Post(at+"/test", nil))
			items := s.items(s.asAdmin().Get(at + "/deliveries?limit=1"))
			require.Equal(s.T, deliveryMembers, names(items[0]))
			require.Equal(s.T, []any{tested["id"], 1}, []any{items[0]["id"], len(items)})
		}},
		{says: `/webhooks/{id}/deliveries/{delivery}/redeliver | POST | 202 | the same event again; 409 webhook_inactive, event_not_kept`, elsewhere: hooked("TestAnEventIsDeliveredAgainOnDemand"), prove: func(s *stage) {
			about := deliveredTo(s.T, s.with(), s.admin)
			at := "/webhooks/" + about.webhook + "/deliveries/" + about.delivery + "/redeliver"
			s.administratorsOnly(http.MethodPost, at)
			s.emptyBody(s.asAdmin().Post(at, nil).Status(http.StatusAccepted))
		}},
		{says: `Webhook: {"id", "url", "description", "event_types", "is_active", "disabled_at", "disabled_reason", "failing_since", "previous_secret_expires_at", "created_at", "updated_at"}.`, prove: func(s *stage) {
			require.Equal(s.T, webhookMembers, names(s.members(s.asAdmin().Get("/webhooks/"+newWebhook(s.T, s.asAdmin())))))
		}},
		{says: `A secret is shown once.`, elsewhere: hooked("TestASecretIsShownOnceAndSealedInTheDatabase")},
		{says: `Delivery: {"id", "event_id", "event_type", "attempted_at", "outcome": "delivered"|"failed", "status", "duration_ms", "error"}.`, prove: func(s *stage) {
			d := s.members(s.asAdmin().Post("/webhooks/"+newWebhook(s.T, s.asAdmin())+"/test", nil))
			require.Equal(s.T, deliveryMembers, names(d))
			require.Equal(s.T, []any{"failed", nil, "the name of the host does not resolve"}, []any{d["outcome"], d["status"], d["error"]})
		}},
		{says: `url is https, without user, password and fragment, and leads to a public address: else 400 #/url.`, elsewhere: hooked("TestWhatIsNoWebhookIsRefusedWithEveryFault"), prove: func(s *stage) {
			for url, fault := range map[string]string{
				"http://example.com/": "not_allowed", "https://a@example.com/": "not_allowed", "https://a:b@example.com/": "not_allowed", "https://example.com/#a": "invalid_format",
				"https://127.0.0.1/": "not_allowed", "https://10.0.0.1/": "not_allowed", "https://[fe80::1]/": "not_allowed", "https://169.254.169.254/": "not_allowed",
			} {
				s.asAdmin().Post("/webhooks", map[string]string{"url": url}).Invalid("#/url " + fault)
			}
		}},
		{says: `event_types are names as on the wire; an empty list means all.`, elsewhere: hooked("TestAWebhookGetsTheTypesThatItAsksFor", "TestWhatIsNoWebhookIsRefusedWithEveryFault")},
		{says: `At most 100 are active; one more is 409 too_many_webhooks.`, elsewhere: hooked("TestAHundredWebhooksMayBeActive")},
		{says: `The body is the event as CloudEvents JSON; webhook-id is the event's id, the same at each attempt.`, elsewhere: hooked("TestADeliveryVerifiesWithThePublicLibrary", "TestWhatFailsComesAgainInTheOrderOfItsUserAndHoldsUpNobodyElse")},
		{says: `2xx is success; redirects are not followed and count as failures.`, elsewhere: hooked("TestATestIsDeliveredAtOnceAndChangesNothing", "TestWhatIsNoAnswerOfTheReceiversIsAFailureThatSaysWhy")},
		{says: `Events of one user arrive in order; what fails comes again.`, elsewhere: hooked("TestWhatFailsComesAgainInTheOrderOfItsUserAndHoldsUpNobodyElse")},
		{says: `410, or nothing taken for 5 days, disables a webhook, and administrators are mailed.`, elsewhere: hooked("TestAReceiverThatIsGoneIsAskedNoMoreAndTheAdministratorsAreTold", "TestAWebhookThatTakesNothingForDaysIsDisabled")},
	}
}

// webhookMembers are those of a Webhook, in order; deliveryMembers are those of a Delivery.
var (
	webhookMembers  = []string{"created_at", "description", "disabled_at", "disabled_reason", "event_types", "failing_since", "id", "is_active", "previous_secret_expires_at", "updated_at", "url"}
	deliveryMembers = []string{"attempted_at", "duration_ms", "error", "event_id", "event_type", "id", "outcome", "status"}
)
