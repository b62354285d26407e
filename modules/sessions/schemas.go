package sessions

import (
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

type listInput struct {
	Ended bool `query:"ended" doc:"whether to list the sessions that ended in the last 30 days, instead of those that live"`
}

type listResponse struct {
	Items []response `json:"items" nullable:"false"`
}

// response is a session as the API shows it.
type response struct {
	ID          account.SessionID `json:"id" format:"uuid" doc:"the sid claim of its access tokens" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	UserAgent   string            `json:"user_agent" doc:"of the latest use" example:"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"`
	IP          string            `json:"ip" doc:"address of the latest use" example:"192.0.2.1"`
	CreatedAt   httpapi.Time      `json:"created_at"`
	LastUsedAt  httpapi.Time      `json:"last_used_at" doc:"of the login or the latest refresh"`
	ExpiresAt   httpapi.Time      `json:"expires_at" doc:"when the session expires unless it is refreshed before"`
	Current     bool              `json:"current" doc:"whether it is the session of this request" example:"true"`
	EndedAt     *httpapi.Time     `json:"ended_at,omitempty" doc:"of an ended session alone"`
	EndedReason Reason            `json:"ended_reason,omitempty" enum:"logout,other_device,password_change,reset,reuse_detected,expired,administrator" doc:"of an ended session alone" example:"logout"`
}

// SchemaName is the type's name in the document.
func (response) SchemaName() string { return "Session" }

func toResponse(all []Session, current account.SessionID) listResponse {
	list := listResponse{Items: make([]response, len(all))}
	for i, s := range all {
		list.Items[i] = response{
			ID: s.ID, UserAgent: s.UserAgent, IP: s.IP, CreatedAt: httpapi.Time(s.CreatedAt), LastUsedAt: httpapi.Time(s.LastUsedAt),
			ExpiresAt: httpapi.Time(s.ExpiresAt), Current: s.ID == current, EndedReason: s.Reason,
		}
		if !s.EndedAt.IsZero() {
			at := httpapi.Time(s.EndedAt)
			list.Items[i].EndedAt = &at
		}
	}
	return list
}
