package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
)

// order has a member of every kind that input may have.
type order struct {
	ID     string         `json:"id" format:"uuid"`
	Mail   string         `json:"mail,omitempty" format:"idn-email" maxLength:"20"`
	Code   string         `json:"code,omitempty" pattern:"^[a-z]+$"`
	Count  int32          `json:"count,omitempty" minimum:"1" maximum:"9"`
	Price  float64        `json:"price,omitempty" maximum:"100"`
	Gift   bool           `json:"gift,omitempty"`
	Due    Time           `json:"due,omitzero"`
	Day    string         `json:"day,omitempty" format:"date"`
	Link   string         `json:"link,omitempty" format:"uri"`
	Note   *string        `json:"note,omitempty" nullable:"true" maxLength:"5"`
	Lines  []line         `json:"lines,omitempty" minItems:"1" maxItems:"3"`
	Labels map[string]int `json:"labels,omitempty" maxProperties:"2"`
}

type line struct {
	Name string `json:"name" minLength:"1"`
	Kind string `json:"kind,omitempty" enum:"plain,rich"`
}

func ruleOf[T any](schema string) *rule {
	arraysAreNeverNull()
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return compile(registry, registry.Schema(reflect.TypeFor[T](), true, schema), map[string]*rule{})
}

const anID = "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"

func TestInputIsHeldAgainstItsSchema(t *testing.T) {
	t.Parallel()
	r := ruleOf[order]("order")
	for body, want := range map[string]string{
		`"mail":"ada@example.com","code":"abc","count":9,"price":1e1,"gift":true,"due":"2026-01-31T09:30:00Z","day":"2026-01-31","link":"https://example.com"`: "",
		`"note":null`:                      "",
		`"note":"123456"`:                  "#/note too_long",
		`"mail":"ada"`:                     "#/mail invalid_format",
		`"mail":"ä@example.com.of.length"`: "#/mail too_long",
		`"code":"A"`:                       "#/code invalid_format",
		`"code":null`:                      "#/code wrong_type",
		`"count":10`:                       "#/count out_of_range",
		`"count":0`:                        "#/count out_of_range",
		`"count":4294967297`:               "#/count out_of_range",
		`"count":1.0`:                      "#/count wrong_type",
		`"price":"1"`:                      "#/price wrong_type",
		`"price":1e999`:                    "#/price out_of_range",
		`"price":100.5`:                    "#/price out_of_range",
		`"gift":1`:                         "#/gift wrong_type",
		`"due":"31.1.2026"`:                "#/due invalid_format",
		`"day":"2026-02-30"`:               "#/day invalid_format",
		`"link":"example.com"`:             "#/link invalid_format",
		`"lines":[]`:                       "#/lines too_short",
		`"lines":{}`:                       "#/lines wrong_type",
		`"lines":[{"name":"a"},{"name":"","kind":"odd"},{"kind":"rich","x":1}]`: "#/lines/1/name too_short, #/lines/1/kind not_allowed, #/lines/2/x unknown_field, #/lines/2/name required",
		`"labels":{"a":1,"b":"2","a":3,"c":4}`:                                  "#/labels/b wrong_type, #/labels/a duplicate, #/labels too_long",
	} {
		faults, readable := readJSON([]byte(`{"id":"`+anID+`",`+body+`}`), r)
		require.True(t, readable, body)
		require.Equal(t, want, places(faults), body)
	}
	faults, _ := readJSON([]byte(`{"id":"`+strings.ToUpper(anID)[:35]+`"}`), r)
	require.Equal(t, "#/id invalid_format", places(faults))
}

func places(faults []errs.Field) string {
	var found []string
	for _, f := range faults {
		found = append(found, f.Pointer+f.Parameter+f.Header+" "+string(f.Code))
	}
	return strings.Join(found, ", ")
}

func TestASchemaThatNobodyChecksDoesNotMount(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]func(){
		"a format": func() {
			ruleOf[struct {
				Host string `json:"host" format:"hostname"`
			}]("a")
		},
		"a multiple": func() {
			ruleOf[struct {
				Step int `json:"step" multipleOf:"5"`
			}]("b")
		},
		"unique items": func() {
			ruleOf[struct {
				Tags []string `json:"tags" uniqueItems:"true"`
			}]("c")
		},
		"a parameter of no text": func() {
			newBinder(reflect.TypeFor[struct {
				Tags []string `query:"tags"`
			}](), huma.NewMapRegistry("#/", huma.DefaultSchemaNamer))
		},
	} {
		require.Panics(t, mount, name)
	}
}

func TestASchemaMayHoldItself(t *testing.T) {
	t.Parallel()
	type tree struct {
		Name     string  `json:"name"`
		Children []*tree `json:"children,omitempty"`
	}
	r := ruleOf[tree]("tree")
	faults, readable := readJSON([]byte(`{"name":"a","children":[{"name":"b","children":[{"name":1}]}]}`), r)
	require.True(t, readable)
	require.Equal(t, "#/children/0/children/0/name wrong_type", places(faults))

	faults, readable = readJSON([]byte(strings.Repeat(`{"name":"a","children":[`, 40)+strings.Repeat("]}", 40)), r)
	require.False(t, readable)
	require.Len(t, faults, 1)
	require.Equal(t, "is nested too deeply", faults[0].Message)
}

// FuzzJSON: what passes decodes, what does not decode fails, and no answer grows with its input.
func FuzzJSON(f *testing.F) {
	r := ruleOf[order]("order")
	for _, seed := range []string{
		`{"id":"` + anID + `","lines":[{"name":"a"}],"labels":{"a":1}}`, `{"id":1,"id":2}`, `[[[[`, `{"x":{"y":[1,2,{"z":null}]}}`, `"`, "", "{}{}",
		`{"count":1e400,"due":"0000-01-01T00:00:00Z","mail":"\ud800"}`, "\ufeff{}", "{\"\xff\":1}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		faults, readable := readJSON([]byte(body), r)
		require.LessOrEqual(t, len(faults), maxFaults)
		for _, fault := range faults {
			require.True(t, strings.HasPrefix(fault.Pointer, "#") && len(fault.Pointer) <= 16*maxNameShown, fault.Pointer)
		}
		valid := jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true))
		if !valid {
			require.NotEmpty(t, faults)
		}
		if valid && !readable {
			require.True(t, len(faults) == maxFaults || faults[0].Message == "is nested too deeply", "%v", faults)
		}
		plan := &bodyPlan{rule: r, index: []int{0}}
		var in struct{ Body order }
		all, _ := plan.decode([]byte(body), reflect.ValueOf(&in).Elem())
		if len(all) == 0 {
			require.NoError(t, json.Unmarshal([]byte(body), &order{}, json.RejectUnknownMembers(true)))
		}
	})
}

// FuzzQuery: what passes is what net/url reads, and every value is valid.
func FuzzQuery(f *testing.F) {
	type list struct {
		Limit int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
		Sort  string `query:"sort" enum:"name,age"`
		Text  string `query:"q" maxLength:"10"`
		Done  bool   `query:"done"`
		After Time   `query:"after" format:"date-time"`
	}
	b := newBinder(reflect.TypeFor[list](), huma.NewMapRegistry("#/", huma.DefaultSchemaNamer))
	for _, seed := range []string{"limit=5&sort=name", "q=%00", "q=a+b%20c", "limit=05", "limit=+5", "limit=1;2", "%=1", "&&", "done=TRUE", "after=2026-01-31T09:30:00Z", "Limit=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var in list
		faults := b.bind(&http.Request{URL: &url.URL{RawQuery: raw}}, reflect.ValueOf(&in).Elem())
		require.LessOrEqual(t, len(faults), maxFaults+len(b.params))
		if len(faults) > 0 {
			for _, fault := range faults {
				require.True(t, fault.Parameter != "" && len(fault.Parameter) <= maxNameShown && utf8.ValidString(fault.Parameter))
			}
			return
		}
		values, err := url.ParseQuery(raw)
		require.NoError(t, err)
		require.Equal(t, values.Get("q"), in.Text)
		require.True(t, in.Limit >= 1 && in.Limit <= 100)
		require.Contains(t, []string{"", "name", "age"}, in.Sort)
	})
}

// FuzzForwardedFor: nobody but a trusted proxy decides what address counts, and it is never a trusted one unless all are.
func FuzzForwardedFor(f *testing.F) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, seed := range []string{"192.0.2.1", "192.0.2.1:80, 10.1.1.1", "[2001:db8::1]:80", "::ffff:10.0.0.1", "fe80::1%eth0", "unknown, 10.0.0.9", ",,", " \t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		stranger := &http.Request{RemoteAddr: "203.0.113.9:1", Header: http.Header{"X-Forwarded-For": {header}}}
		require.Equal(t, "203.0.113.9", clientAddr(stranger, trusted).String())
		proxy := &http.Request{RemoteAddr: "10.0.0.1:1", Header: stranger.Header}
		addr := clientAddr(proxy, trusted)
		require.True(t, addr.IsValid() && addr.Zone() == "" && !addr.Is4In6())
		require.True(t, addr.String() == "10.0.0.1" || !contains(trusted, addr))
	})
}

// FuzzBearer: a token that passes is one word of the allowed characters, and no challenge breaks its line.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer  a.b-c_d~e+f/g==", "Basic dTpw", "Bearer", "Bearer a b", "Bearer \x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, err := bearer(http.Header{"Authorization": {header}})
		if err == nil {
			require.NotContains(t, token, " ")
			require.True(t, strings.HasSuffix(header, token) && strings.EqualFold(header[:6], "bearer"))
			return
		}
		require.Empty(t, token)
		require.True(t, strings.HasPrefix(challenge(errs.From(err)), "Bearer"))
	})
}

// FuzzNegotiation: no header is too odd to be read.
func FuzzNegotiation(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0", `W/"a", "b"`)
	f.Add("*", "*")
	f.Add(";;,,=", `"`)
	f.Fuzz(func(t *testing.T, encodings, tags string) {
		if acceptsGzip([]string{encodings}) {
			require.True(t, strings.Contains(encodings, "*") || strings.Contains(strings.ToLower(encodings), "gzip"))
		}
		if matchesTag([]string{tags}, `"tag-of-ours"`) {
			require.True(t, strings.Contains(tags, `"tag-of-ours"`) || strings.Trim(tags, " \t") == "*")
		}
	})
}

// FuzzIfMatch: a list that is taken holds a tag only where the header does, and one that is not is left alone.
func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a", "b"`, "*", `"a`, ",", "", "\"a\x01\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		var tags EntityTags
		if err := tags.UnmarshalText([]byte(header)); err != nil {
			require.Equal(t, EntityTags{}, tags)
			return
		}
		require.True(t, tags.given)
		require.Equal(t, strings.Trim(header, " \t") == "*", tags.every)
		for _, tag := range tags.strong {
			require.Contains(t, header, tag)
			require.NotContains(t, tag[1:len(tag)-1], `"`)
		}
		if tags.hold(`"tag-of-ours"`) && !tags.every {
			require.True(t, strings.Contains(header, `"tag-of-ours"`) || strings.Contains(header, `"tag-of-ours-gzip"`))
		}
	})
}
