package token

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
)

// payloadWith is a good payload with members replaced by raw JSON; an empty text leaves the member out.
func payloadWith(changes map[string]string) string {
	members := map[string]string{
		"iss": `"` + testIssuer + `"`, "aud": `"` + testAudience + `"`, "client_id": `"gatehouse"`,
		"sub": `"` + uuid.Must(uuid.NewV7()).String() + `"`, "sid": `"` + uuid.Must(uuid.NewV7()).String() + `"`, "jti": `"` + uuid.Must(uuid.NewV7()).String() + `"`,
		"iat": fmt.Sprint(testStart.Unix()), "exp": fmt.Sprint(testStart.Add(15 * time.Minute).Unix()), "roles": `["user"]`,
	}
	maps.Copy(members, changes)
	var parts []string
	for name, value := range members {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func refuses(t *testing.T, a *Access, token string, reason error) {
	t.Helper()
	_, err := a.Verify(t.Context(), token)
	require.ErrorIs(t, err, ErrInvalid)
	require.Equal(t, reason.Error(), err.Error())
	require.Equal(t, 401, errs.From(err).Status())
	require.Zero(t, remembered(a).EstimatedSize())
}

// Statement 11. The keys have no database behind them, so a look at a store would panic.
func TestStatement11ForgedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, ES256)
	key := a.firstKey()
	payload := payloadWith(nil)
	ok := signed(t, key, goodHeader(key), payload)
	_, err := a.Verify(t.Context(), ok)
	require.NoError(t, err, "the forgeries below differ from a good token in one thing each")
	remembered(a).InvalidateAll()

	with := func(member string) string {
		return signed(t, key, strings.TrimSuffix(goodHeader(key), "}")+","+member+"}", payload)
	}
	header := func(format string, args ...any) string { return signed(t, key, fmt.Sprintf(format, args...), payload) }
	jwkText, err := json.Marshal(key.jwk)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"jku":                    {with(`"jku":"https://evil.example.com/keys"`), errHeader},
		"jwk":                    {with(`"jwk":` + string(jwkText)), errHeader},
		"x5u":                    {with(`"x5u":"https://evil.example.com/cert"`), errHeader},
		"x5c":                    {with(`"x5c":["MIIB"]`), errHeader},
		"x5t":                    {with(`"x5t":"AAAA"`), errHeader},
		"x5t#S256":               {with(`"x5t#S256":"AAAA"`), errHeader},
		"unknown crit":           {with(`"crit":["exp2"],"exp2":1`), errHeader},
		"crit b64":               {with(`"crit":["b64"],"b64":true`), errHeader},
		"empty crit":             {with(`"crit":[]`), errHeader},
		"b64":                    {with(`"b64":false`), errHeader},
		"zip":                    {with(`"zip":"DEF"`), errHeader},
		"enc":                    {with(`"enc":"A256GCM"`), errHeader},
		"cty":                    {with(`"cty":"JWT"`), errHeader},
		"duplicate alg":          {with(`"alg":"ES256"`), errHeader},
		"duplicate kid, escaped": {with(`"k\u0069d":"` + key.kid + `"`), errHeader},
		"duplicate typ":          {with(`"typ":"at+jwt"`), errHeader},
		"name in another case":   {with(`"Alg":"ES256"`), errHeader},
		"alg none":               {header(`{"alg":"none","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg None":               {header(`{"alg":"None","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg HS256":              {header(`{"alg":"HS256","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg RS256":              {header(`{"alg":"RS256","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg ES384":              {header(`{"alg":"ES384","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg es256":              {header(`{"alg":"es256","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg of another key":     {header(`{"alg":"EdDSA","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg empty":              {header(`{"alg":"","typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg absent":             {header(`{"typ":"at+jwt","kid":"%s"}`, key.kid), errAlgorithm},
		"alg null":               {header(`{"alg":null,"typ":"at+jwt","kid":"%s"}`, key.kid), errHeader},
		"alg a list":             {header(`{"alg":["ES256"],"typ":"at+jwt","kid":"%s"}`, key.kid), errHeader},
		"typ absent":             {header(`{"alg":"ES256","kid":"%s"}`, key.kid), errType},
		"typ JWT":                {header(`{"alg":"ES256","typ":"JWT","kid":"%s"}`, key.kid), errType},
		"typ id_token":           {header(`{"alg":"ES256","typ":"id_token","kid":"%s"}`, key.kid), errType},
		"typ logout":             {header(`{"alg":"ES256","typ":"logout+jwt","kid":"%s"}`, key.kid), errType},
		"typ in capitals":        {header(`{"alg":"ES256","typ":"AT+JWT","kid":"%s"}`, key.kid), errType},
		"kid absent":             {header(`{"alg":"ES256","typ":"at+jwt"}`), errKeyID},
		"kid short":              {header(`{"alg":"ES256","typ":"at+jwt","kid":"1"}`), errKeyID},
		"kid with a path":        {header(`{"alg":"ES256","typ":"at+jwt","kid":"../../../../../../../../../../dev/null......."}`), errKeyID},
		"kid with odd letters":   {header(`{"alg":"ES256","typ":"at+jwt","kid":"%s"}`, "é"+strings.Repeat("A", kidLen-2)), errKeyID},
		"kid unknown":            {header(`{"alg":"ES256","typ":"at+jwt","kid":"%s"}`, strings.Repeat("A", kidLen)), errUnknownKey},
		"kid a number":           {header(`{"alg":"ES256","typ":"at+jwt","kid":1}`), errHeader},
		"header a list":          {header(`["alg"]`), errHeader},
		"header a string":        {header(`"alg"`), errHeader},
		"header not JSON":        {header(`alg`), errHeader},
		"header cut short":       {header(`{"alg":"ES256"`), errHeader},
		"header ends in a name":  {header(`{"alg"`), errHeader},
		"header with a tail":     {header(`%s{}`, goodHeader(key)), errHeader},
		"header of bad UTF-8":    {header("{\"alg\":\"ES256\xff\"}"), errHeader},
		"no claims":              {signed(t, key, goodHeader(key), ""), errForm},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, a, c.token, c.want) })
	}
}

func TestStatement11OtherFormsAreRefused(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, ES256)
	key := a.firstKey()
	good := issue(t, a)
	parts := strings.Split(good, ".")
	der, err := x509.MarshalPKIXPublicKey(key.public)
	require.NoError(t, err)
	point, err := key.public.(*ecdsa.PublicKey).Bytes()
	require.NoError(t, err)
	hmacWith := func(secret []byte) string {
		input := encode([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"`+key.kid+`"}`)) + "." + parts[1]
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(input))
		return input + "." + encode(append(h.Sum(nil), make([]byte, 32)...))
	}
	other, err := newKeyRow(memoryRoot(), ES256, testStart, testStart)
	require.NoError(t, err)
	require.NotEqual(t, key.kid, other.Kid)
	stranger, _ := memoryAccess(t, ES256)
	// The last of 86 characters carries 2 bits of 64 bytes; setting one of the other 4 gives the same bytes.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	twin := good[:len(good)-1] + string(alphabet[last|1])
	lenient, err := base64.RawURLEncoding.DecodeString(strings.Split(twin, ".")[2])
	require.NoError(t, err)
	require.Equal(t, parts[2], encode(lenient))

	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":                             {"", errForm},
		"a dot":                             {".", errForm},
		"two dots":                          {"..", errForm},
		"two parts":                         {parts[0] + "." + parts[1], errForm},
		"unsigned":                          {parts[0] + "." + parts[1] + ".", errForm},
		"no header":                         {"." + parts[1] + "." + parts[2], errForm},
		"no payload":                        {parts[0] + ".." + parts[2], errForm},
		"four parts":                        {good + ".", errForm},
		"JWE in five parts":                 {parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[1] + "." + parts[2], errForm},
		"JSON serialisation":                {fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]), errForm},
		"line break at the end":             {good + "\n", errForm},
		"line break within":                 {parts[0] + "." + parts[1] + ".\r\n" + parts[2], errForm},
		"space in front":                    {" " + good, errForm},
		"padding":                           {good + "==", errForm},
		"standard base64":                   {parts[0] + "." + parts[1] + ".+/" + parts[2][2:], errForm},
		"a letter beyond ASCII":             {good[:10] + "é" + good[11:], errForm},
		"a NUL":                             {good + "\x00", errForm},
		"stray bits at the end":             {twin, errForm},
		"signature cut short":               {good[:len(good)-2], errForm},
		"signature too long":                {good + "AA", errForm},
		"payload of an impossible length":   {parts[0] + ".AAAAA." + parts[2], errForm},
		"longer than the limit":             {parts[0] + "." + strings.Repeat("A", MaxAccessLength) + "." + parts[2], errTooLong},
		"HMAC with the public key as DER":   {hmacWith(der), errAlgorithm},
		"HMAC with the public key as point": {hmacWith(point), errAlgorithm},
		"HMAC with the kid":                 {hmacWith([]byte(key.kid)), errAlgorithm},
		"signature of zeros":                {parts[0] + "." + parts[1] + "." + encode(make([]byte, 64)), errSignature},
		"signature of another token":        {parts[0] + "." + parts[1] + "." + strings.Split(issue(t, a), ".")[2], errSignature},
		"payload of another token":          {parts[0] + "." + strings.Split(issue(t, a), ".")[1] + "." + parts[2], errSignature},
		"a stranger's token":                {issue(t, stranger), errUnknownKey},
		"a stranger's under our kid":        {signed(t, stranger.firstKey(), goodHeader(key), payloadWith(nil)), errSignature},
		"a refresh token":                   {NewRefreshTokens(memoryRoot()).New(someClaims().Session).Token(), errForm},
		"a mailed token":                    {"gtm_" + strings.Repeat("A", 43), errForm},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, a, c.token, c.want) })
	}
	t.Run("every truncation", func(t *testing.T) {
		for i := range len(good) {
			_, err := a.Verify(t.Context(), good[:i])
			require.ErrorIs(t, err, ErrInvalid)
		}
	})
	t.Run("every flipped character", func(t *testing.T) {
		for i := range len(good) {
			flipped := []byte(good)
			flipped[i] ^= 1
			_, err := a.Verify(t.Context(), string(flipped))
			require.ErrorIs(t, err, ErrInvalid)
		}
	})
}

func TestStatement12ClaimsArePresentAndChecked(t *testing.T) {
	t.Parallel()
	a, clk := memoryAccess(t, EdDSA)
	key := a.firstKey()
	at := func(d time.Duration) string { return fmt.Sprint(clk.Now().Add(d).Unix()) }
	type change = map[string]string
	for name, c := range map[string]struct {
		change change
		want   error
	}{
		"iss absent":            {change{"iss": ""}, errIssuer},
		"iss of another":        {change{"iss": `"https://evil.example.com"`}, errIssuer},
		"iss with a slash more": {change{"iss": `"` + testIssuer + `/"`}, errIssuer},
		"iss null":              {change{"iss": "null"}, errClaim},
		"aud absent":            {change{"aud": ""}, errAudience},
		"aud of another":        {change{"aud": `"https://other.example.com"`}, errAudience},
		"aud a list":            {change{"aud": `["` + testAudience + `"]`}, errClaim},
		"client_id absent":      {change{"client_id": ""}, errAudience},
		"client_id of another":  {change{"client_id": `"app"`}, errAudience},
		"sub absent":            {change{"sub": ""}, errClaim},
		"sub empty":             {change{"sub": `""`}, errClaim},
		"sub zero":              {change{"sub": `"` + uuid.Nil.String() + `"`}, errClaim},
		"sub not an id":         {change{"sub": `"alice"`}, errClaim},
		"sub in capitals":       {change{"sub": `"019A0000-0000-7000-8000-00000000000A"`}, errClaim},
		"sub a number":          {change{"sub": `1`}, errClaim},
		"sid absent":            {change{"sid": ""}, errClaim},
		"sid zero":              {change{"sid": `"` + uuid.Nil.String() + `"`}, errClaim},
		"sid not an id":         {change{"sid": `"x"`}, errClaim},
		"jti absent":            {change{"jti": ""}, errClaim},
		"jti zero":              {change{"jti": `"` + uuid.Nil.String() + `"`}, errClaim},
		"jti not an id":         {change{"jti": `"x"`}, errClaim},
		"roles absent":          {change{"roles": ""}, errClaim},
		"roles empty":           {change{"roles": "[]"}, errClaim},
		"roles a string":        {change{"roles": `"admin"`}, errClaim},
		"roles of numbers":      {change{"roles": "[1]"}, errClaim},
		"roles too many":        {change{"roles": "[" + strings.Repeat(`"user",`, maxRoles) + `"user"]`}, errClaim},
		"roles cut":             {change{"roles": `["user"`}, errPayload},
		"iat absent":            {change{"iat": ""}, errClaim},
		"iat zero":              {change{"iat": "0"}, errClaim},
		"iat negative":          {change{"iat": "-1"}, errClaim},
		"iat a fraction":        {change{"iat": at(0) + ".5"}, errClaim},
		"iat with an exponent":  {change{"iat": "1e9"}, errClaim},
		"iat a string":          {change{"iat": `"` + at(0) + `"`}, errClaim},
		"iat huge":              {change{"iat": "99999999999999999999"}, errClaim},
		"iat in the future":     {change{"iat": at(61 * time.Second)}, errNotYet},
		"exp absent":            {change{"exp": ""}, errClaim},
		"exp past":              {change{"iat": at(-time.Hour), "exp": at(-time.Minute)}, errExpired},
		"exp before iat":        {change{"exp": at(-time.Second)}, errLifetime},
		"exp at iat":            {change{"exp": at(0)}, errLifetime},
		"exp in years":          {change{"exp": at(365 * 24 * time.Hour)}, errLifetime},
		"exp beyond int64":      {change{"exp": "18446744073709551615"}, errClaim},
		"exp null":              {change{"exp": "null"}, errClaim},
		"nbf after iat":         {change{"nbf": at(10 * time.Minute)}, errLifetime},
		"nbf a string":          {change{"nbf": `"now"`}, errClaim},
		"an extra of bad JSON":  {change{"extra": `{"a":}`}, errPayload},
		"a nested duplicate":    {change{"extra": `{"a":1,"a":2}`}, errPayload},
		"a value of bad UTF-8":  {change{"extra": "\"\xff\""}, errPayload},
		"a number cut":          {change{"iat": "1."}, errPayload},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, a, signed(t, key, goodHeader(key), payloadWith(c.change)), c.want) })
	}
	for name, payload := range map[string]string{
		"duplicate sub":          strings.TrimSuffix(payloadWith(nil), "}") + `,"sub":"` + uuid.NewString() + `"}`,
		"duplicate sub, escaped": strings.TrimSuffix(payloadWith(nil), "}") + `,"\u0073ub":"` + uuid.NewString() + `"}`,
		"a list":                 "[" + payloadWith(nil) + "]",
		"a tail":                 payloadWith(nil) + "1",
		"cut short":              strings.TrimSuffix(payloadWith(nil), "}"),
		"deep":                   `{"a":` + strings.Repeat("[", 2000),
	} {
		t.Run(name, func(t *testing.T) { refuses(t, a, signed(t, key, goodHeader(key), payload), errPayload) })
	}
}

// A newer version beside this one may issue a claim that this one does not know.
func TestUnknownClaimsArePassedOver(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, ES256)
	payload := payloadWith(map[string]string{"amr": `["pwd","otp"]`, "cnf": `{"jkt":"x"}`, "nbf": fmt.Sprint(testStart.Unix())})
	token := signed(t, a.firstKey(), goodHeader(a.firstKey()), payload)
	_, err := a.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestRefusalsSayNothingOfTheToken(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, ES256)
	key := a.firstKey()
	token := signed(t, key, `{"alg":"marker-secret","typ":"at+jwt","kid":"marker-secret"}`, payloadWith(nil))
	_, err := a.Verify(t.Context(), token)
	require.NotContains(t, err.Error(), "marker")
}
