package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/authz"
)

// TestTheMatrixFollowsFromRuleAndReach writes every cell out: for each caller the outcomes by the objects.
func TestTheMatrixFollowsFromRuleAndReach(t *testing.T) {
	t.Parallel()
	const ok, who, no, gone, none = authz.Allowed, authz.Unauthenticated, authz.Forbidden, authz.Missing, authz.Unasked
	refused := []authz.Outcome{none, who, who, who, who}
	for _, c := range []struct {
		name                string
		rule                authz.Rule
		reach               authz.Reach
		nobody, user, admin []authz.Outcome
	}{
		{
			"one's own alone", authz.SignedIn, authz.OwnAlone, refused,
			[]authz.Outcome{ok, gone, gone, gone, gone}, []authz.Outcome{ok, gone, gone, gone, gone},
		},
		{
			"one's own, everyone's with a permission", authz.SignedIn, authz.OwnOr("notes.manage"), refused,
			[]authz.Outcome{ok, gone, gone, gone, gone}, []authz.Outcome{ok, ok, ok, gone, gone},
		},
		{
			"everyone's with a permission", authz.Can("users.read"), authz.Everyones, refused,
			[]authz.Outcome{no, no, no, no, no}, []authz.Outcome{ok, ok, ok, gone, gone},
		},
		{
			"everyone's for everyone", authz.Public, authz.Everyones, []authz.Outcome{none, ok, ok, gone, gone},
			[]authz.Outcome{ok, ok, ok, gone, gone}, []authz.Outcome{ok, ok, ok, gone, gone},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for caller, want := range map[authz.Caller][]authz.Outcome{authz.Nobody: c.nobody, authz.User: c.user, authz.Administrator: c.admin} {
				for i, o := range authz.Objects {
					require.Equal(t, want[i], authz.Expect(c.rule, c.reach, caller, o), "%s, %s", caller, o)
				}
			}
		})
	}
	for rule, want := range map[authz.Rule][]authz.Outcome{authz.Public: {ok, ok, ok}, authz.SignedIn: {who, ok, ok}, authz.Can("users.read"): {who, no, ok}} {
		for i, caller := range authz.Callers {
			require.Equal(t, want[i], authz.Expect(rule, authz.Reach{}, caller, authz.Nothing), "%s, %s", rule, caller)
		}
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	require.Equal(t, authz.Refused, authz.Expect(authz.Rule{}, authz.Everyones, authz.Administrator, authz.Own), "no rule")
	require.Equal(t, authz.Refused, authz.Expect(authz.SignedIn, authz.Reach{}, authz.Administrator, authz.Own), "no reach")
	require.Equal(t, authz.Refused, authz.Expect(authz.SignedIn, authz.OwnAlone, authz.Administrator, authz.Nothing), "no object")
	require.Equal(t, authz.Refused, authz.Expect(authz.SignedIn, authz.Reach{}, "stranger", authz.Nothing))
	require.Equal(t, authz.Missing, authz.Expect(authz.SignedIn, authz.Everyones, authz.User, "lost"))
}
