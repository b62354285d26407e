package sessions

import (
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

// ListInput says which of an account's sessions to list.
type ListInput struct {
	Ended bool `query:"ended" doc:"whether to list the sessions that ended in the last 30 days, instead of those that live"`
}

// ListResponse is a list of sessions as the API shows it.
type ListResponse struct {
	Items []Response `json:"items" nullable:"false"`
}

// SchemaName is the type's name in the document.
func (ListResponse) SchemaName() string { return "Sessions" }

// Response is a session as the API shows it.
type Response struct {
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
func (Response) SchemaName() string { return "Session" }

// ToResponse shows sessions, of which one may be that of the request.
func ToResponse(all []Session, current account.SessionID) ListResponse {
	list := ListResponse{Items: make([]Response, len(all))}
	for i, s := range all {
		list.Items[i] = Response{
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

// exported is what is kept of a session, but for what opens it.
type exported struct {
	ID            account.SessionID `json:"id"`
	UserAgent     string            `json:"user_agent"`
	IP            string            `json:"ip"`
	CreatedAt     httpapi.Time      `json:"created_at"`
	LastUsedAt    httpapi.Time      `json:"last_used_at"`
	IdleExpiresAt httpapi.Time      `json:"idle_expires_at"`
	ExpiresAt     httpapi.Time      `json:"expires_at"`
	EndedAt       *httpapi.Time     `json:"ended_at"`
	EndedReason   *string           `json:"ended_reason"`
}

func toExport(all []kept) []exported {
	list := make([]exported, len(all))
	for i, k := range all {
		list[i] = exported{
			ID: k.id, UserAgent: k.userAgent, IP: k.ip, CreatedAt: httpapi.Time(k.createdAt), LastUsedAt: httpapi.Time(k.lastUsedAt),
			IdleExpiresAt: httpapi.Time(k.idleExpiresAt), ExpiresAt: httpapi.Time(k.expiresAt), EndedAt: (*httpapi.Time)(k.endedAt), EndedReason: k.reason,
		}
	}
	return list
}
