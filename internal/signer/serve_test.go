package signer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/spf13/pflag"

	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// secure serves the sign face with TLS from files.
func (b *bench) secure(keys *testPKI) (address string, followed *certificates) {
	b.t.Helper()
	followed, err := newCertificates(keys.files(), b.signer.metrics, b.logger())
	if err != nil {
		b.t.Fatal(err)
	}
	opened, err := listen("sign", "127.0.0.1:0", true)
	if err != nil {
		b.t.Fatal(err)
	}
	opened = b.signer.bounded(faceSign, opened, true)
	served := httpListener("sign", opened, httpServer(b.signer.SignHandler(false), b.signer.limits, followed, b.logger()))
	go func() { _ = served.serve(opened) }()
	b.t.Cleanup(func() { _ = served.stop(context.Background()) })
	return opened.Addr().String(), followed
}

func callTLS(t *testing.T, address string, config *tls.Config) (int, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/sign/"+slotPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(headerMethod, "GET")
	request.Header.Set(headerURI, "/x")
	request.Header.Set(headerHost, host)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	honest(t, response)
	return response.StatusCode, nil
}

func TestOnlyOurCertificatesComeIn(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	address, _ := b.secure(keys)
	for uri, want := range map[string]int{"signet://sign/team-a": 200, "signet://sign/*": 200, "signet://sign/team-b": 403, "signet://verify/team-a": 403} {
		if status, err := callTLS(t, address, keys.client(uri)); err != nil || status != want {
			t.Errorf("%s: %d, %v", uri, status, err)
		}
	}
	stranger := newPKI(t).client("signet://sign/*")
	stranger.RootCAs = keys.pool
	for name, config := range map[string]*tls.Config{"none": keys.client(), "another authority's": stranger} {
		if status, err := callTLS(t, address, config); err == nil {
			t.Errorf("%s: %d", name, status)
		}
	}
	old := keys.client("signet://sign/*")
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	if status, err := callTLS(t, address, old); err == nil {
		t.Errorf("TLS 1.1: %d", status)
	}
	// The server says so in its words, which are no signature.
	if response := raw(t, address, forwardedRequest("/sign/"+slotPath, "GET", "/x", host)); response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain text: %s", response.Status)
	}
}

func TestChangedCertificatesAreTakenUp(t *testing.T) {
	b, first := newBench(t), newPKI(t)
	address, followed := b.secure(first)
	old := first.client("signet://sign/team-a")
	if status, err := callTLS(t, address, old); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}

	if err := os.WriteFile(followed.files.Key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := followed.load(); err == nil {
		t.Error("a broken key makes sense")
	}
	if status, err := callTLS(t, address, old); err != nil || status != http.StatusOK {
		t.Fatal("the ones before are not in force: ", status, err)
	}

	second := newPKI(t)
	second.dir = first.dir
	second.files()
	if changed, err := followed.load(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := followed.load(); err != nil || changed {
		t.Error("the same files have changed: ", err)
	}
	if status, err := callTLS(t, address, second.client("signet://sign/team-a")); err != nil || status != http.StatusOK {
		t.Error(status, err)
	}
	for name, config := range map[string]*tls.Config{"as before": old, "certificate of the authority before": {RootCAs: second.pool, Certificates: old.Certificates, MinVersion: tls.VersionTLS12}} {
		if status, err := callTLS(t, address, config); err == nil {
			t.Errorf("%s: %d", name, status)
		}
	}
	if got := gathered(t, b.registry)["signet_signer_certificate_expiry_timestamp_seconds"]; got != 2 {
		t.Errorf("%d expiries", got)
	}
}

// gathered is how many series each metric has.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, family := range families {
		series[family.GetName()] = len(family.GetMetric())
	}
	return series
}

func TestMetricsHaveClosedLabels(t *testing.T) {
	b := newBench(t)
	address := b.serve(b.signer.SignHandler(true))
	before := gathered(t, b.registry)
	for _, path := range []string{"/sign/" + slotPath, "/sign/team-b/RELEASE/API/a", "/sign/team-b/RELEASE/API/b", "/sign/team-c/x/API/b", "/x", "/y"} {
		raw(t, address, forwardedRequest(path, "GET", "/x", host))
	}
	after := gathered(t, b.registry)
	if before["signet_signer_requests_total"] != len(faces)*len(results) || after["signet_signer_requests_total"] != before["signet_signer_requests_total"] {
		t.Errorf("requests: %d series, then %d", before["signet_signer_requests_total"], after["signet_signer_requests_total"])
	}
	if after["signet_signer_unusable_total"] != 1 {
		t.Errorf("unusable: %d series", after["signet_signer_unusable_total"])
	}
	families, _ := b.registry.Gather()
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if strings.Contains(label.GetValue(), "team-") || strings.Contains(label.GetValue(), "orders") {
					t.Errorf("%s has %s", family.GetName(), label.GetValue())
				}
			}
		}
	}
}

func TestTheSameRefusalIsLoggedOnce(t *testing.T) {
	b := newBench(t)
	address := b.serve(b.signer.SignHandler(true))
	for range 20 {
		raw(t, address, forwardedRequest("/sign/team-a/RELEASE/API/nothing", "GET", "/x", host))
	}
	if n := strings.Count(b.log.String(), "NoBinding"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, b.log.String())
	}
	c := &call{slot: slotOf(t)}
	b.signer.remarks.refused(faceSign, c, refusalOf(unknownPath()), time.Now())
	late := time.Now().Add(quiet)
	b.signer.remarks.refused(faceSign, c, refusalOf(unknownPath()), late)
	if n := strings.Count(b.log.String(), "unknown_path"); n != 2 {
		t.Errorf("after a while: %d", n)
	}
}

// Whoever invents names of APIs in its own namespace does not fill the log, and
// does not keep others out of it.
func TestInventedNamesDoNotFillTheLog(t *testing.T) {
	b, now := newBench(t), time.Now()
	b.signer.now = func() time.Time { return now }
	handler := b.signer.SignHandler(false)
	ask := func(over *trackedConn, slot string) {
		recorder, request := recorded(forwardedRequest("/sign/"+slot, "GET", "/x", host))
		handler.ServeHTTP(recorder, by(request, over))
		if recorder.Code != http.StatusServiceUnavailable {
			t.Fatalf("%s: %d", slot, recorder.Code)
		}
	}
	one, other := as(t, "signet://sign/team-a"), as(t, "signet://sign/team-b")
	const asked = 10 * remarksAtOnce
	for i := range asked {
		ask(one, fmt.Sprintf("team-a/RELEASE/API/invented-%d", i))
	}
	if n := strings.Count(b.log.String(), `"slot"="team-a/RELEASE/API/invented-`); n != remarksAtOnce {
		t.Errorf("%d of %d invented names are logged", n, asked)
	}
	ask(other, "team-b/RELEASE/API/missed")
	if !strings.Contains(b.log.String(), "team-b/RELEASE/API/missed") {
		t.Error("another caller's is not logged")
	}
	if got := testutil.ToFloat64(b.signer.metrics.unusable.WithLabelValues(string(faceSign), string(snapshot.ReasonNoBinding))); got != asked+1 {
		t.Errorf("%v of %d are counted", got, asked+1)
	}
	now = now.Add(time.Second)
	ask(one, "team-a/RELEASE/API/later")
	if want := fmt.Sprintf(`"unlogged"=%d`, asked-remarksAtOnce); !strings.Contains(b.log.String(), "API/later") || !strings.Contains(b.log.String(), want) {
		t.Errorf("after a second the log has nothing of the next, or of those left out:\n%s", b.log.String()[max(0, b.log.text.Len()-600):])
	}
}

func TestPlainTextOnLoopbackAlone(t *testing.T) {
	for address, allowed := range map[string]bool{"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, ":0": false, "0.0.0.0:0": false} {
		opened, err := listen("sign", address, false)
		if (err == nil) != allowed && !strings.Contains(err.Error(), "cannot assign requested address") {
			t.Errorf("%s: %v", address, err)
		}
		if opened != nil {
			_ = opened.Close()
		}
	}
	opened, err := listen("sign", ":0", true)
	if err != nil {
		t.Fatal(err)
	}
	_ = opened.Close()
}

func TestConnectionsHaveALimit(t *testing.T) {
	b := newBench(t)
	opened, err := listen("sign", "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	b.signer.limits.MaxConnections = 1
	opened = b.signer.bounded(faceSign, opened, false)
	server := httpServer(b.signer.SignHandler(true), b.signer.limits, nil, b.logger())
	go func() { _ = server.Serve(opened) }()
	defer server.Close() //nolint:errcheck // the test is over
	first, err := net.Dial("tcp", opened.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", opened.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close() //nolint:errcheck // the test is over
	_, _ = io.WriteString(second, forwardedRequest("/sign/"+slotPath, "GET", "/x", host))
	_ = second.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := second.Read(make([]byte, 1)); err == nil {
		t.Fatalf("the second connection was served: %d", n)
	}
	_ = first.Close()
	_ = second.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := second.Read(make([]byte, 1)); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}

func TestWrongFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                                  "--sign-bind-address: \":8443\", port 8443: without --tls-cert only loopback",
		"--tls-cert a --tls-key b":          "--tls-cert, --tls-key and --client-ca go together",
		"--client-ca c":                     "--tls-cert, --tls-key and --client-ca go together",
		"--sign-bind-address 8443":          "--sign-bind-address: \"8443\" is no address",
		"--verify-bind-address :x":          "has no port from 0 to 65535",
		"--max-body -1":                     "--max-body is -1",
		"--max-header 1":                    "--max-header is 1",
		"--max-connections 0":               "--max-connections is 0",
		"--read-timeout 0s":                 "--read-timeout is 0s",
		"--verify-failure-rate -1":          "--verify-failure-rate is -1",
		"--verify-failure-burst 0":          "--verify-failure-burst is 0",
		"--namespaces a,,b":                 "none of them empty",
		"--log-level loud":                  "--log-level is \"loud\"",
		"--log-format xml":                  "--log-format is \"xml\"",
		"--shutdown-delay -1s":              "must not be negative",
		"--envoy-bind-address 192.0.2.1:80": "--envoy-bind-address: \"192.0.2.1:80\", port 80: without --tls-cert only loopback",
		"--sign-bind-address 0 --envoy-bind-address 0 --ext-authz-bind-address 0 --verify-bind-address 0": "every face is turned off",
	} {
		options := DefaultOptions()
		flags := pflag.NewFlagSet("signer", pflag.ContinueOnError)
		options.Bind(flags)
		if err := flags.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if err := options.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
	good := DefaultOptions()
	good.TLS = TLSFiles{Certificate: "a", Key: "b", ClientCA: "c"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
