// SPDX-License-Identifier: Apache-2.0

package verifiers_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signet-dev/signet/api/signature"
)

// The sizes of the parts of requests in bytes. Each is four times the one before:
// linear work grows by 4 and quadratic work by 16.
var workSizes = []int{2 << 10, 8 << 10, 32 << 10}

const (
	// maxGrowth is the growth from one size to the next that fails the test. Sorting
	// and the fixed cost of a request stay far below it.
	maxGrowth = 10
	// workRounds is the number of measurements, of which the lowest counts, and
	// workCalls the number of requests in each.
	workRounds, workCalls = 3, 4
	// remeasurements is how often a result over maxGrowth is measured again before
	// it counts, since compilers and garbage collectors also take CPU time.
	remeasurements = 3
)

// judge decides on calls, and reports the CPU time that it has used so far.
type judge interface {
	ask(t *testing.T, c call) string
	cpu(t *testing.T) time.Duration
}

// workParts fill one part of a request with a number of bytes. A client can send
// each of them without knowing a secret.
var workParts = map[string]func(c *call, size int){
	"method":                   func(c *call, size int) { c.method = strings.Repeat("A", size) },
	"path":                     func(c *call, size int) { c.target = "/" + strings.Repeat("a", size) },
	"path of slashes":          func(c *call, size int) { c.target = strings.Repeat("/", size) },
	"path of escapes":          func(c *call, size int) { c.target = "/" + strings.Repeat("%2F", size/3) },
	"path that must not be":    func(c *call, size int) { c.target = "/" + strings.Repeat("a%20", size/4) + " " },
	"query of separators":      query("&"),
	"query of question marks":  query("?"),
	"query of equals signs":    query("="),
	"query of escapes":         query("%3D"),
	"query of pluses":          query("+"),
	"query of equal pairs":     query("a&"),
	"query of one long value":  query("a"),
	"query in order":           pairsOf(func(i, _ int) int { return i }),
	"query in reverse order":   pairsOf(func(i, n int) int { return n - i }),
	"query in changing order":  pairsOf(func(i, n int) int { return i*2 ^ (n * (i % 2)) }),
	"query like organ pipes":   pairsOf(func(i, n int) int { return min(i, n-i) }),
	"query like a saw":         pairsOf(func(i, _ int) int { return i % 16 }),
	"query against quicksort":  pairsOf(antiQuicksort),
	"host":                     func(c *call, size int) { c.set("Host", strings.Repeat("h", size)) },
	"spaces within a value":    value("a", " ", "b"),
	"tabs within a value":      value("a", "\t", "b"),
	"line tabs within a value": value("a", "\v", "b"),
	"spaces before a value":    value("", " ", "b"),
	"spaces after a value":     value("a", " ", ""),
	"only spaces":              value("", " ", ""),
	"spaces between words":     value("", " a", " "),
	"line breaks in a value":   value("a", "\r\n", ""),
	"bytes beyond ASCII":       value("", "\xff", ""),
	"equal values":             values(func(int, int) int { return 0 }),
	"values in order":          values(func(i, _ int) int { return i }),
	"values in reverse order":  values(func(i, n int) int { return n - i }),
	"values against quicksort": values(antiQuicksort),
	"other headers":            headers(1 << 20),
	"signed headers":           headers(5),
	"names of signed headers":  func(c *call, size int) { longNames(c, size, 100) },
	"one long name":            func(c *call, size int) { longNames(c, size, 1) },
	"digest":                   func(c *call, size int) { c.set(signature.HeaderPayload, strings.Repeat("0", size)) },
	"date":                     func(c *call, size int) { c.set(signature.HeaderDate, strings.Repeat("2", size)) },
	"date of spaces":           func(c *call, size int) { c.set(signature.HeaderDate, "2024"+strings.Repeat(" ", size)+"0101T000000Z") },
	"body":                     func(c *call, size int) { c.resign(strings.Repeat("x", size)) },

	"scheme":                   authorization("A", "", ""),
	"spaces":                   authorization(" ", "", ""),
	"spaces after the scheme":  authorization("", "", " "),
	"commas":                   authorization("", "Access=", ","),
	"access":                   authorization("", "Access=", "a"),
	"spaces in access":         authorization("", "Access=", " "),
	"fields":                   authorization("", "", "Access=a, "),
	"list":                     authorization("", "Access=a, SignedHeaders=", "a"),
	"list of semicolons":       authorization("", "Access=a, SignedHeaders=", ";"),
	"list of equal names":      authorization("", "Access=a, SignedHeaders=", "a;"),
	"commas after the list":    authorization("", "Access=a, SignedHeaders=a", ","),
	"signature of digits":      func(c *call, size int) { c.replace(c.signature(), strings.Repeat("0", size)) },
	"signature of base64":      func(c *call, size int) { c.replace(c.signature(), strings.Repeat("AAAA", size/4)) },
	"signature of commas":      func(c *call, size int) { c.replace(c.signature(), strings.Repeat(", ", size/2)) },
	"basic credential":         func(c *call, size int) { c.set("Authorization", "Basic "+strings.Repeat("AAAA", size/4)) },
	"basic without base64":     func(c *call, size int) { c.set("Authorization", "Basic "+strings.Repeat("=", size)) },
	"basic of spaces and more": func(c *call, size int) { c.set("Authorization", "Basic"+strings.Repeat(" ", size)+"x") },
}

func query(piece string) func(*call, int) {
	return func(c *call, size int) { c.target = "/?" + strings.Repeat(piece, size/len(piece)) }
}

// pairsOf makes a query of parameters in the order of their numbers.
func pairsOf(number func(i, n int) int) func(*call, int) {
	return func(c *call, size int) {
		n := size / 5
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "%04d&", number(i, n))
		}
		c.target = "/?" + text.String()
	}
}

// antiQuicksort numbers elements so that a median of three, taken from both ends
// and the middle, is always among the smallest.
func antiQuicksort(i, n int) int {
	half := n / 2
	switch {
	case i >= half:
		return 2 * (i - half + 1)
	case i%2 == 0:
		return i + 1
	}
	return half + i - half%2 + 1
}

// value sets a signed header, which is filled up with the middle.
func value(begin, middle, end string) func(*call, int) {
	return func(c *call, size int) { c.set("Content-Type", begin+strings.Repeat(middle, size/len(middle))+end) }
}

// values repeats a signed header, with the numbers as values.
func values(number func(i, n int) int) func(*call, int) {
	return func(c *call, size int) {
		n := size / 16
		for i := range n {
			c.headers = append(c.headers, header{"Content-Type", fmt.Sprintf("%04d", number(i, n))})
		}
	}
}

// headers adds headers, of which each that the number divides is signed, up to the
// 120 that the list has room for.
func headers(signed int) func(*call, int) {
	return func(c *call, size int) {
		list := []string{}
		for i := range size / 8 {
			name := fmt.Sprintf("a%05d", i)
			c.headers = append(c.headers, header{name, "1"})
			if i%signed == 1 && len(list) < 120 {
				list = append(list, name)
			}
		}
		if len(list) > 0 {
			c.replace("SignedHeaders=", "SignedHeaders="+strings.Join(list, ";")+";")
		}
	}
}

// longNames adds signed headers whose names differ only at their ends.
func longNames(c *call, size, count int) {
	var list []string
	for i := range count {
		name := strings.Repeat("a", size/count) + fmt.Sprintf("%04d", i)
		list = append(list, name)
		c.headers = append(c.headers, header{strings.ToUpper(name), "1"})
	}
	c.replace("SignedHeaders=", "SignedHeaders="+strings.Join(list, ";")+";")
}

// authorization repeats the first text before the scheme, or the last one after
// the fields.
func authorization(before, fields, after string) func(*call, int) {
	return func(c *call, size int) {
		piece := before + after
		text := strings.Repeat(piece, size/len(piece))
		if after == "" {
			c.set("Authorization", text+c.scheme()+" "+fields)
			return
		}
		c.set("Authorization", c.scheme()+" "+fields+text)
	}
}

// resign gives the call a body with its digest, which the signature does not fit.
func (c *call) resign(body string) {
	c.body = body
	c.set(signature.HeaderPayload, signature.Digest([]byte(body)))
}

// TestWorkIsLinear has every verifier refuse requests that grow, and compares the
// CPU times within one run. What a request costs before its signature is compared
// must grow no faster than the request, or a few clients without a key occupy a
// backend.
func TestWorkIsLinear(t *testing.T) {
	t.Run("go", func(t *testing.T) { checkAllWork(t, &library{}) })
	for _, name := range chosen(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkAllWork(t, start(t, name))
		})
	}
}

// checkAllWork also fills signatures of pairs, which are not in hexadecimal digits,
// and credentials.
func checkAllWork(t *testing.T, by judge) {
	t.Helper()
	all, others := materials()
	for _, kind := range []string{"HMAC", "ECDSA", "Basic"} {
		directory := t.TempDir()
		mount(t, directory, all[kind], nil)
		forged := signedCall(t, directory, others[kind])
		for _, part := range slices.Sorted(maps.Keys(workParts)) {
			if kind == "HMAC" || kind == "ECDSA" && strings.HasPrefix(part, "signature") || kind == "Basic" && strings.HasPrefix(part, "basic") {
				checkWork(t, by, part, forged)
			}
		}
	}
}

// checkWork measures one part in each size.
func checkWork(t *testing.T, by judge, part string, forged call) {
	t.Helper()
	var used []time.Duration
	for range remeasurements {
		used = nil
		for _, size := range workSizes {
			c := forged
			c.headers = slices.Clone(forged.headers)
			workParts[part](&c, size)
			used = append(used, measureWork(t, by, c))
			if grewFast(used) {
				break
			}
		}
		if !grewFast(used) {
			break
		}
	}
	report := fmt.Sprintf("%s: %v at %v bytes", part, used, workSizes[:len(used)])
	if grewFast(used) {
		t.Error("grows faster than the request: " + report)
	} else if os.Getenv("VERIFIERS_WORK") != "" {
		t.Log(report)
	}
}

// grewFast reports whether the last of the times is too long after the one before.
func grewFast(used []time.Duration) bool {
	last := len(used) - 1
	return last > 0 && used[last] >= maxGrowth*used[last-1]
}

// measureWork returns the CPU time for the call, which must be refused.
func measureWork(t *testing.T, by judge, c call) time.Duration {
	t.Helper()
	var lowest time.Duration
	for range workRounds {
		before := by.cpu(t)
		for range workCalls {
			if result := by.ask(t, c); strings.HasPrefix(result, "ok") {
				t.Fatalf("accepted %s %s", c.method, c.get("Authorization"))
			}
		}
		if spent := (by.cpu(t) - before) / workCalls; lowest == 0 || spent < lowest {
			lowest = spent
		}
	}
	return lowest
}

// cpu returns the CPU time of the verifier's process.
func (r *runner) cpu(t *testing.T) time.Duration {
	t.Helper()
	// The clock of another process: see clock_getcpuclockid in the kernel's posix-timers.h.
	const schedulerClock = 2
	return cpuClock(t, int32(^r.pid<<3|schedulerClock)) //nolint:gosec // process IDs have at most 22 bits
}

func cpuClock(t *testing.T, clock int32) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// library is the verifier in Go, which runs in the process of the tests.
type library struct {
	configured call
	verifier   *signature.Verifier
}

func (l *library) ask(t *testing.T, c call) string {
	t.Helper()
	if l.verifier == nil || l.configured.directory != c.directory {
		l.configured, l.verifier = c, c.verifier(t)
	}
	return c.judgedBy(t, l.verifier)
}

func (l *library) cpu(t *testing.T) time.Duration {
	t.Helper()
	return cpuClock(t, unix.CLOCK_PROCESS_CPUTIME_ID)
}
