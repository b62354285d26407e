package egress_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/errs"
)

func TestURLsAreJudgedBeforeAnythingIsAsked(t *testing.T) {
	t.Parallel()
	strict := egress.New(egress.Settings{}, egress.Options{})
	for text, want := range map[string]errs.Fault{
		"https://example.com": "", "https://example.com/": "", "https://example.com:8443/hooks?token=a%20b&c=d": "", "https://EXAMPLE.com/A": "", "https://93.184.216.34/": "",
		"https://bücher.example/": "", "https://xn--bcher-kva.example/": "", "https://[2606:2800:220:1::1]:8443/": "", "https://example.com:443/": "", "https://127.example.com/": "", "https://intranet/": "",

		"": errs.InvalidFormat, "example.com": errs.InvalidFormat, "//example.com/": errs.InvalidFormat, "/hook": errs.InvalidFormat, "https:": errs.InvalidFormat, "https://": errs.InvalidFormat,
		"https:example.com": errs.InvalidFormat, "ftp://example.com/": errs.InvalidFormat, "file:///etc/passwd": errs.InvalidFormat, "gopher://example.com/": errs.InvalidFormat, "javascript:alert(1)": errs.InvalidFormat,
		"https://example.com/#part": errs.InvalidFormat, "https://example.com/#": errs.InvalidFormat, "https://example.com./": errs.InvalidFormat, "https://exa mple.com/": errs.InvalidFormat, "https://example.com/a b": errs.InvalidFormat,
		"https://example.com\\@127.0.0.1/": errs.InvalidFormat, "https://example.com/\n": errs.InvalidFormat, "https://exam\tple.com/": errs.InvalidFormat, "https://-a.example/": errs.InvalidFormat, "https://a_b.example/": errs.InvalidFormat,
		"https://example.com:/": errs.InvalidFormat, "https://example.com:0/": errs.InvalidFormat, "https://example.com:65536/": errs.InvalidFormat, "https://example.com:0443/": errs.InvalidFormat, "https://example.com:x/": errs.InvalidFormat,
		"https://127.1/": errs.InvalidFormat, "https://2130706433/": errs.InvalidFormat, "https://0x7f000001/": errs.InvalidFormat, "https://0x7f.0.0.1/": errs.InvalidFormat, "https://0177.0.0.1/": errs.InvalidFormat, "https://127.0.0.0x1/": errs.InvalidFormat, "https://1.2.3.4.5/": errs.InvalidFormat,
		"https://[::1/": errs.InvalidFormat, "https://[fe80::1%25eth0]/": errs.NotAllowed,

		"http://example.com/": errs.NotAllowed, "https://ada@example.com/": errs.NotAllowed, "https://ada:pw@example.com/": errs.NotAllowed, "https://@example.com/": errs.NotAllowed,
		"https://example.com:22/": errs.NotAllowed, "https://example.com:25/": errs.NotAllowed, "https://example.com:1023/": errs.NotAllowed,
		"https://127.0.0.1/": errs.NotAllowed, "https://[::1]/": errs.NotAllowed, "https://localhost/": errs.NotAllowed, "https://LOCALHOST:8443/": errs.NotAllowed, "https://a.localhost/": errs.NotAllowed,
		"https://10.0.0.1/": errs.NotAllowed, "https://169.254.169.254/latest/meta-data/": errs.NotAllowed, "https://[::ffff:127.0.0.1]/": errs.NotAllowed, "https://[64:ff9b::7f00:1]/": errs.NotAllowed,
		"https://[fd00:ec2::254]/": errs.NotAllowed, "https://0.0.0.0/": errs.NotAllowed, "https://%31%32%37.0.0.1/": errs.InvalidFormat, "https://１２７.０.０.１/": errs.NotAllowed, "https://127。0。0。1/": errs.NotAllowed,

		"https://example.com/" + strings.Repeat("a", egress.MaxURL): errs.TooLong,
	} {
		err := strict.CheckURL(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		fault, ok := errors.AsType[*egress.URLError](err)
		require.True(t, ok, "%q: %v", text, err)
		require.Equal(t, errs.Field{Pointer: "#/url", Code: want, Message: fault.Message}, fault.Field("#/url"), "%q: %s", text, fault.Message)
		require.NotContains(t, fault.Error(), "example")
	}
	lax := egress.New(egress.Settings{PlainHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, egress.Options{})
	for _, text := range []string{"http://example.com/", "http://127.0.0.1:8080/", "https://localhost/", "http://localhost:80/"} {
		require.NoError(t, lax.CheckURL(text), text)
	}
	require.Error(t, lax.CheckURL("http://[::1]/"))
}

func TestNetworksAreWrittenWithoutHostBits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"10.0.0.0/8": "", "fd12::/32": "", "10.0.0.1/8": "allow", "::ffff:10.0.0.0/104": "allow"} {
		s, found := egress.Settings{Allow: []netip.Prefix{netip.MustParsePrefix(text)}}, ""
		s.Check(func(field, _ string) { found = field })
		require.Equal(t, want, found, text)
	}
}

// FuzzCheckURL holds that no text makes the check panic, and that one which passes leads where a literal may.
func FuzzCheckURL(f *testing.F) {
	c := egress.New(egress.Settings{}, egress.Options{})
	for _, text := range []string{"https://example.com/", "https://127.1/", "https://[::1]:443/", "https://a@b/", "https://%31/", "https://ｌocalhost/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c.CheckURL(text) == nil && (!strings.HasPrefix(strings.ToLower(text), "https://") || strings.ContainsAny(text, " \\\n#")) {
			t.Fatalf("%q passes", text)
		}
	})
}
