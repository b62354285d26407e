package contract_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContractAudit(t *testing.T) {
	t.Parallel()
	proveChapter(t, ofAudit())
}

// trailed names tests of the audit trail here.
func trailed(names ...string) []string {
	for i, n := range names {
		names[i] = "test/contract " + n
	}
	return names
}

func ofAudit() []proof {
	return []proof{
		{says: `Administrators see who did what, when and from where, and how it ended.`, prove: func(s *stage) {
			u, from := s.api.User(), s.address()
			s.asAdmin().WithHeader("X-Forwarded-For", from).Patch("/users/"+u.ID.String(), `{"role":"admin"}`).Status(http.StatusOK)
			row := s.items(s.asAdmin().Get("/audit?target_id=" + u.ID.String() + "&action=user.role"))[0]
			require.Equal(s.T, []any{s.admin.ID.String(), u.ID.String(), "user.role", from, "done"}, []any{row["actor_id"], row["target_id"], row["action"], row["ip"], row["outcome"]})
			require.Equal(s.T, s.clk.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), row["occurred_at"])
		}},
		{
			says:      `/audit | GET | 200 list | paginated, the newest first; filters ?actor_id=, ?target_id=, ?action=, ?outcome=, ?ip=, ?from= (included) and ?to= (not included), together as one likes`,
			elsewhere: trailed("TestTheAuditListIsWalkedAndFiltered", "TestTheAuditListRefusesWhatItCannotFind"), prove: func(s *stage) {
				s.administratorsOnly(http.MethodGet, "/audit")
			},
		},
		{says: `Row: {"id", "number", "occurred_at", "action", "outcome": "done"|"failed"|"refused", "reason", "actor": "user"|"operator"|"anonymous", "actor_id", "target_id", "email", "ip", "user_agent", "count", "details"}.`, prove: func(s *stage) {
			row := s.items(s.asAdmin().Get("/audit?limit=1"))[0]
			require.Equal(s.T, []string{"action", "actor", "actor_id", "count", "details", "email", "id", "ip", "number", "occurred_at", "outcome", "reason", "target_id", "user_agent"}, names(row))
		}},
		{says: `Every login, refusal and administrative act has a row, and successful refreshes have none.`, elsewhere: trailed("TestStatement26EveryLoginRefusalAndAdministrativeActIsWrittenDown", "TestStatement26WhatLimitsAndSettingsRefuseIsWrittenDown")},
		{says: `Refusals come a moment later, and beyond ten a minute from one address as one row with a count.`, elsewhere: trailed("TestStatement26AFloodOfRefusalsIsElevenRowsAMinute")},
		{says: `No operation changes or deletes a row.`, elsewhere: trailed("TestStatement26NoAPIDeletesAnAuditRow")},
		{says: `Rows outlive the user that they are about, without what is personal in them: email, ip, user_agent.`, elsewhere: trailed("TestErasingAUserKeepsTheAuditTrailWhole")},
	}
}
