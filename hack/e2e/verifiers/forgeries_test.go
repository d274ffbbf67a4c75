// SPDX-License-Identifier: Apache-2.0

package verifiers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
)

type forgery struct {
	forge func(*call)
	want  error
}

func edit(old, replacement string) func(*call) {
	return func(c *call) { c.replace(old, replacement) }
}

func set(name string, values ...string) func(*call) {
	return func(c *call) { c.set(name, values...) }
}

func target(text string) func(*call) { return func(c *call) { c.target = text } }

func after(d time.Duration) func(*call) { return func(c *call) { c.now = signedAt.Add(d) } }

// cut changes the signature itself.
func cut(change func(string) string) func(*call) {
	return func(c *call) { c.replace(c.signature(), change(c.signature())) }
}

var digest = signature.Digest([]byte(signedBody))

// forgeries are a good call in which one thing was changed after it was signed.
var forgeries = map[string]forgery{
	"another method":           {func(c *call) { c.method = "PUT" }, signature.ErrMismatch},
	"one letter in lower case": {func(c *call) { c.method = "POSt" }, signature.ErrMethod},
	"the method in lower case": {func(c *call) { c.method = "post" }, signature.ErrMethod},
	"no method":                {func(c *call) { c.method = "" }, signature.ErrMethod},
	"another path":             {target("/orders/a%20c?b=2&a=1"), signature.ErrMismatch},
	"dots in the path":         {target("/x/../orders/a%20b?b=2&a=1"), signature.ErrMismatch},
	"two slashes":              {target("//orders/a%20b?b=2&a=1"), signature.ErrMismatch},
	"a path escaped twice":     {target("/orders/a%2520b?b=2&a=1"), signature.ErrMismatch},
	"a plus in the path":       {target("/orders/a+b?b=2&a=1"), signature.ErrMismatch},
	"a broken path":            {target("/orders/a%2?b=2&a=1"), signature.ErrTarget},
	"a space in the path":      {target("/orders/a b?b=2&a=1"), signature.ErrTarget},
	"a whole URL":              {target("http://orders.internal/orders/a%20b?b=2&a=1"), signature.ErrTarget},
	"another value":            {target("/orders/a%20b?b=2&a=2"), signature.ErrMismatch},
	"a parameter more":         {target("/orders/a%20b?b=2&a=1&c=3"), signature.ErrMismatch},
	"a semicolon":              {target("/orders/a%20b?b=2&a=1;c=3"), signature.ErrMismatch},
	"a parameter less":         {target("/orders/a%20b?b=2"), signature.ErrMismatch},
	"a parameter twice":        {target("/orders/a%20b?b=2&a=1&a=1"), signature.ErrMismatch},
	"values swapped":           {target("/orders/a%20b?b=1&a=2"), signature.ErrMismatch},
	"a broken query":           {target("/orders/a%20b?b=2&a=1&c=%zz"), signature.ErrTarget},
	"a space in the query":     {target("/orders/a%20b?b=2&a=1 "), signature.ErrTarget},
	"a fragment":               {target("/orders/a%20b?b=2&a=1#x"), signature.ErrTarget},

	"another host":                    {set("Host", "billing.internal"), signature.ErrMismatch},
	"no host":                         {set("Host"), signature.ErrHost},
	"two hosts":                       {set("Host", "orders.internal", "orders.internal"), signature.ErrHost},
	"a host that is none":             {set("Host", "orders.internal/x"), signature.ErrHost},
	"another signed header":           {set("Content-Type", "text/plain"), signature.ErrMismatch},
	"a signed header less":            {set("Content-Type"), signature.ErrMissingHeader},
	"a signed header twice":           {set("Content-Type", "application/json", "application/json"), signature.ErrMismatch},
	"one value of two":                {set("X-Twice", "a"), signature.ErrMismatch},
	"two values as one":               {set("X-Twice", "a,b"), signature.ErrMismatch},
	"a third value":                   {set("X-Twice", "a", "b", "c"), signature.ErrMismatch},
	"a line in a header":              {set("Content-Type", "application/json\nx-sdk-date:1"), signature.ErrHeaderValue},
	"a header that is not signed":     {set("X-Other", "1"), nil},
	"values in another order":         {set("X-Twice", "a", "b"), nil},
	"white space around a value":      {set("Content-Type", " application/json\t\t "), nil},
	"a no-break space after it":       {set("Content-Type", "application/json\u00a0"), signature.ErrMismatch},
	"a Latin-1 no-break space":        {set("Content-Type", "application/json\xa0"), signature.ErrMismatch},
	"a wide space before it":          {set("Content-Type", "\u3000application/json"), signature.ErrMismatch},
	"a next line after it":            {set("Content-Type", "application/json\x85"), signature.ErrMismatch},
	"a line tab after it":             {set("Content-Type", "application/json\v"), signature.ErrMismatch},
	"a form feed before it":           {set("Content-Type", "\fapplication/json"), signature.ErrMismatch},
	"a unit separator after it":       {set("Content-Type", "application/json\x1f"), signature.ErrMismatch},
	"a byte order mark before it":     {set("Content-Type", "\ufeffapplication/json"), signature.ErrMismatch},
	"a no-break space after the host": {set("Host", "orders.internal\xa0"), signature.ErrHost},
	"an escape that changes nothing":  {target("/orders/%61%20b/?&a=%31&b=2&"), nil},

	"another body":               {func(c *call) { c.body = `{"order":43}` }, signature.ErrPayloadMismatch},
	"a longer body":              {func(c *call) { c.body += " " }, signature.ErrPayloadMismatch},
	"no body":                    {func(c *call) { c.body = "" }, signature.ErrPayloadMismatch},
	"another body and digest":    {func(c *call) { c.body = "x"; c.set(signature.HeaderPayload, signature.Digest([]byte("x"))) }, signature.ErrMismatch},
	"the digest twice":           {set(signature.HeaderPayload, digest, digest), signature.ErrDuplicateHeader},
	"an unsigned digest twice":   {func(c *call) { c.replace("x-sdk-content-sha256;", ""); c.set(signature.HeaderPayload, digest, digest) }, signature.ErrDuplicateHeader},
	"no digest":                  {set(signature.HeaderPayload), signature.ErrMissingHeader},
	"a digest that is none":      {set(signature.HeaderPayload, "0"), signature.ErrPayload},
	"the digest in upper case":   {set(signature.HeaderPayload, strings.ToUpper(digest)), signature.ErrPayload},
	"a line after the digest":    {set(signature.HeaderPayload, digest+"\n"), signature.ErrPayload},
	"unsigned payload":           {set(signature.HeaderPayload, signature.UnsignedPayload), signature.ErrUnsignedPayload},
	"a digest no longer signed":  {edit("x-sdk-content-sha256;", ""), signature.ErrMismatch},
	"another date":               {set(signature.HeaderDate, "20240301T000000Z"), signature.ErrMismatch},
	"no date":                    {set(signature.HeaderDate), signature.ErrMissingHeader},
	"an empty date":              {set(signature.HeaderDate, ""), signature.ErrMissingHeader},
	"the date twice":             {set(signature.HeaderDate, "20240229T235959Z", "20240229T235959Z"), signature.ErrDuplicateHeader},
	"a date of another sort":     {set(signature.HeaderDate, "2024-02-29T23:59:59Z"), signature.ErrDate},
	"a date with a fraction":     {set(signature.HeaderDate, "20240229T235959.5Z"), signature.ErrDate},
	"a day that is none":         {set(signature.HeaderDate, "20240230T235959Z"), signature.ErrDate},
	"a second that is none":      {set(signature.HeaderDate, "20240229T235960Z"), signature.ErrDate},
	"an hour that is none":       {set(signature.HeaderDate, "20240229T245959Z"), signature.ErrDate},
	"a line after the date":      {set(signature.HeaderDate, "20240229T235959Z\n"), signature.ErrDate},
	"a date not signed":          {edit(";x-sdk-date", ""), signature.ErrUnsignedHeader},
	"a host not signed":          {edit("host;", ""), signature.ErrUnsignedHeader},
	"at the window's late edge":  {after(15 * time.Minute), nil},
	"too late":                   {after(15*time.Minute + time.Second), signature.ErrOutsideWindow},
	"at the window's early edge": {after(-15 * time.Minute), nil},
	"too early":                  {after(-15*time.Minute - time.Second), signature.ErrOutsideWindow},
	"in another century":         {set(signature.HeaderDate, "99991231T235959Z"), signature.ErrOutsideWindow},

	"no signature":             {set("Authorization"), signature.ErrNoSignature},
	"an empty signature":       {set("Authorization", ""), signature.ErrNoSignature},
	"two signatures":           {func(c *call) { v := c.get("Authorization"); c.set("Authorization", v, v) }, signature.ErrDuplicateHeader},
	"one word":                 {set("Authorization", "garbage"), signature.ErrMalformed},
	"garbage":                  {set("Authorization", "\x00\xff ,;= "), signature.ErrAlgorithm},
	"another scheme":           {set("Authorization", "Bearer abc"), signature.ErrAlgorithm},
	"another algorithm":        {func(c *call) { c.replace(c.scheme(), "SDK-HMAC-SHA1") }, signature.ErrAlgorithm},
	"the scheme in lower case": {func(c *call) { c.replace(c.scheme(), strings.ToLower(c.scheme())) }, signature.ErrAlgorithm},
	"the scheme alone":         {func(c *call) { c.set("Authorization", c.scheme()+" ") }, signature.ErrMalformed},
	"no access":                {edit("Access=", "Acces="), signature.ErrMalformed},
	"an empty access": {func(c *call) {
		c.set("Authorization", c.scheme()+" Access=, SignedHeaders=host;x-sdk-date, Signature=00")
	}, signature.ErrMalformed},
	"another key":                {edit("Access=", "Access=x"), signature.ErrUnknownKey},
	"another scheme's signature": {func(c *call) { c.replace(c.scheme(), otherScheme(c.scheme())) }, signature.ErrUnknownKey},
	"no space between fields":    {func(c *call) { c.replace(", S", ",S"); c.replace(", S", ",S") }, nil},

	"a list not in order":        {edit("content-type;host", "host;content-type"), signature.ErrSignedHeaders},
	"a header twice in the list": {edit("host;", "host;host;"), signature.ErrSignedHeaders},
	"a list in upper case":       {edit("host;", "Host;"), signature.ErrSignedHeaders},
	"an empty name":              {edit("content-type;", ";content-type;"), signature.ErrSignedHeaders},
	"a name with a space":        {edit("content-type;", "content-type ;"), signature.ErrSignedHeaders},
	"its own header":             {edit("content-type;", "authorization;content-type;"), signature.ErrSignedHeaders},
	"a list without end":         {edit("x-twice", "x-twice;y"+strings.Join(manyNames(), ";y")), signature.ErrSignedHeaders},
	"a header more in the list":  {func(c *call) { c.set("X-A", "1"); c.replace("host;", "host;x-a;") }, signature.ErrMismatch},
	"a header that is not there": {edit("x-twice", "x-twice;x-z"), signature.ErrMissingHeader},
	"a header less in the list":  {edit("content-type;", ""), signature.ErrMismatch},

	"no signature in it":        {cut(func(string) string { return "" }), signature.ErrMalformed},
	"a shorter signature":       {cut(func(s string) string { return s[:len(s)-1] }), signature.ErrMismatch},
	"half a signature":          {cut(func(s string) string { return s[:len(s)/8*4] }), signature.ErrMismatch},
	"four characters":           {cut(func(s string) string { return s[:4] }), signature.ErrMismatch},
	"a longer signature":        {cut(func(s string) string { return s + "0" }), signature.ErrMismatch},
	"a space after it":          {cut(func(s string) string { return s + " " }), signature.ErrMismatch},
	"a line break in it":        {cut(func(s string) string { return s[:8] + "\n" + s[8:] }), signature.ErrMismatch},
	"a line break after it":     {cut(func(s string) string { return s + "\r\n" }), signature.ErrMismatch},
	"a NUL after it":            {cut(func(s string) string { return s + "\x00" }), signature.ErrMismatch},
	"a changed first character": {cut(func(s string) string { return flip(s[:1]) + s[1:] }), signature.ErrMismatch},
	"a changed character":       {cut(func(s string) string { return s[:40] + flip(s[40:41]) + s[41:] }), signature.ErrMismatch},
	"a signature in upper case": {cut(strings.ToUpper), signature.ErrMismatch},
	"a field after it":          {cut(func(s string) string { return s + ", Signature=" + s }), signature.ErrMismatch},
}

func otherScheme(name string) string {
	if name == "SDK-HMAC-SHA256" {
		return "SIGNET-AES-128-CFB"
	}
	return "SDK-HMAC-SHA256"
}

func manyNames() []string {
	var names []string
	for i := range 200 {
		names = append(names, string([]byte{byte('a' + i/26), byte('a' + i%26)}))
	}
	return names
}

func flip(digit string) string {
	if digit == "A" {
		return "B"
	}
	return "A"
}

// settings are calls whose result depends on the options of the verifier.
func settings(t *testing.T, directory string, m signature.Material) []verifierCase {
	base := call{now: signedAt, directory: directory, method: "GET", target: "/", body: signedBody, headers: []header{{"host", "h"}}}
	unsigned := base
	unsigned.sign(t, m, signature.UnsignedPayload)
	refusedUnsigned := unsigned
	unsigned.unsigned = true
	anyBody := unsigned
	anyBody.body = "another"
	notSigned := unsigned
	notSigned.replace("x-sdk-content-sha256;", "")
	signedBodyToo := base
	signedBodyToo.unsigned = true
	signedBodyToo.sign(t, m, digest)
	swapped := signedBodyToo
	swapped.body = "another"

	carried := base
	carried.header = "X-Gateway-Signature"
	carried.sign(t, m, digest)
	listed := carried
	listed.replace("host;", "host;x-gateway-signature;")
	authorizationListed := carried
	authorizationListed.set("Authorization", "Bearer x")
	authorizationListed.replace("host;", "authorization;host;")

	required := base
	required.required = "X-Tenant"
	required.sign(t, m, digest, "x-tenant")
	added := required
	added.set("x-tenant", "b")
	present := required
	present.set("X-Tenant", "a")
	present.sign(t, m, digest, "x-tenant")
	return []verifierCase{
		{"unsigned payload, not allowed", refusedUnsigned, signature.ErrUnsignedPayload},
		{"unsigned payload, allowed", unsigned, nil},
		{"unsigned payload, another body", anyBody, nil},
		{"unsigned payload, not signed", notSigned, signature.ErrMismatch},
		{"unsigned payload allowed, signed", signedBodyToo, nil},
		{"unsigned payload allowed, body swapped", swapped, signature.ErrPayloadMismatch},
		{"another header", carried, nil},
		{"another header, in the list", listed, signature.ErrSignedHeaders},
		{"another header, authorization in the list", authorizationListed, signature.ErrSignedHeaders},
		{"a required header that is not there", required, nil},
		{"a required header that was added", added, signature.ErrUnsignedHeader},
		{"a required header that is signed", present, nil},
	}
}

func basic(good call) []verifierCase {
	cases := []verifierCase{}
	for value, want := range map[string]error{
		"basic" + strings.TrimPrefix(good.get("Authorization"), "Basic"): nil,
		"Basic":                                  signature.ErrMalformed,
		"Basic ":                                 signature.ErrMismatch,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQ=":     signature.ErrMismatch,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQlIQ":   signature.ErrMalformed,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQlIQ==": signature.ErrMismatch,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQlIR==": signature.ErrMalformed,
		"Basic  b3JkZXJzOnBhc3M6d29yZCFAIyQl":    signature.ErrMalformed,
		"Basic b3JkZXJzOg==":                     signature.ErrMismatch,
		"Basic orders:pass:word!@#$%":            signature.ErrMalformed,
		"BASIC" + strings.TrimPrefix(good.get("Authorization"), "Basic"):      nil,
		"ba\u017fic" + strings.TrimPrefix(good.get("Authorization"), "Basic"): signature.ErrAlgorithm,
		good.get("Authorization") + "\n":                                      signature.ErrMalformed,
		"Basic b3Jk\r\nZXJzOnBhc3M6d29yZCFAIyQl":                              signature.ErrMalformed,
	} {
		c := good
		c.set("Authorization", value)
		cases = append(cases, verifierCase{value, c, want})
	}
	twice := good
	twice.set("Authorization", good.get("Authorization"), good.get("Authorization"))
	return append(cases, verifierCase{"Basic twice", twice, signature.ErrDuplicateHeader})
}
