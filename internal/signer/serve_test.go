// SPDX-License-Identifier: Apache-2.0

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

	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// serveTLS serves the sign endpoint with TLS.
func (f *fixture) serveTLS(keys *testPKI) (address string, certs *certificates) {
	f.t.Helper()
	certs, err := newCertificates(keys.files(), f.signer.metrics, time.Now, f.logger())
	if err != nil {
		f.t.Fatal(err)
	}
	opened, err := listen(f.t.Context(), "sign", "127.0.0.1:0", true)
	if err != nil {
		f.t.Fatal(err)
	}
	opened = f.signer.limitConnections(endpointSign, opened, true)
	served := httpListener("sign", opened, httpServer(f.signer.SignHandler(false), f.signer.limits, certs, f.logger()))
	go func() { _ = served.serve(opened) }()
	f.t.Cleanup(func() { _ = served.stop(context.Background()) })
	return opened.Addr().String(), certs
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
	checkResponse(t, response)
	return response.StatusCode, nil
}

func expectOK(t *testing.T, address string, config *tls.Config) {
	t.Helper()
	if status, err := callTLS(t, address, config); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
}

func TestOnlyTrustedCertificatesAreAccepted(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	address, _ := f.serveTLS(keys)
	for uri, want := range map[string]int{"signet://sign/team-a": 200, "signet://sign/*": 200, "signet://sign/team-b": 403, "signet://verify/team-a": 403} {
		if status, err := callTLS(t, address, keys.client(uri)); err != nil || status != want {
			t.Errorf("%s: %d, %v", uri, status, err)
		}
	}
	untrusted := newPKI(t).client("signet://sign/*")
	untrusted.RootCAs = keys.pool
	for name, config := range map[string]*tls.Config{"none": keys.client(), "other authority": untrusted} {
		if status, err := callTLS(t, address, config); err == nil {
			t.Errorf("%s: %d", name, status)
		}
	}
	old := keys.client("signet://sign/*")
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	if status, err := callTLS(t, address, old); err == nil {
		t.Errorf("TLS 1.1: %d", status)
	}
	// net/http sends this response, without a signature.
	if response := sendRaw(t, address, forwardedRequest("/sign/"+slotPath, "GET", "/x", host)); response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain text: %s", response.Status)
	}
}

func TestReloadsCertificates(t *testing.T) {
	f, first := newFixture(t), newPKI(t)
	address, certs := f.serveTLS(first)
	old := first.client("signet://sign/team-a")
	expectOK(t, address, old)

	if err := os.WriteFile(certs.files.Key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.load(); err == nil {
		t.Error("loaded a broken key")
	}
	expectOK(t, address, old)

	second := newPKI(t)
	second.dir = first.dir
	second.files()
	if changed, err := certs.load(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := certs.load(); err != nil || changed {
		t.Error("unchanged files: ", err)
	}
	expectOK(t, address, second.client("signet://sign/team-a"))
	for name, config := range map[string]*tls.Config{"previous": old, "certificate of the previous authority": {RootCAs: second.pool, Certificates: old.Certificates, MinVersion: tls.VersionTLS12}} {
		if status, err := callTLS(t, address, config); err == nil {
			t.Errorf("%s: %d", name, status)
		}
	}
	if got := gathered(t, f.registry)["signet_signer_certificate_expiry_timestamp_seconds"]; got != 2 {
		t.Errorf("%d expiries", got)
	}
}

// gathered returns how many series each metric has.
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

func TestLabelsOfMetricsAreBounded(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.SignHandler(true))
	before := gathered(t, f.registry)
	for _, path := range []string{"/sign/" + slotPath, "/sign/team-b/RELEASE/API/a", "/sign/team-b/RELEASE/API/b", "/sign/team-c/x/API/b", "/x", "/y"} {
		sendRaw(t, address, forwardedRequest(path, "GET", "/x", host))
	}
	after := gathered(t, f.registry)
	if before["signet_signer_requests_total"] != len(endpoints)*len(results) || after["signet_signer_requests_total"] != before["signet_signer_requests_total"] {
		t.Errorf("requests: %d series, then %d", before["signet_signer_requests_total"], after["signet_signer_requests_total"])
	}
	if after["signet_signer_unusable_total"] != 1 {
		t.Errorf("unusable: %d series", after["signet_signer_unusable_total"])
	}
	families, _ := f.registry.Gather()
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

func TestSameRefusalIsLoggedOnce(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.SignHandler(true))
	for range 20 {
		sendRaw(t, address, forwardedRequest("/sign/team-a/RELEASE/API/nothing", "GET", "/x", host))
	}
	if n := strings.Count(f.log.String(), "NoBinding"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, f.log.String())
	}
	c := &call{slot: testSlot(t)}
	f.signer.refusalLog.record(endpointSign, c, asRefusal(notFound()), time.Now())
	late := time.Now().Add(logInterval)
	f.signer.refusalLog.record(endpointSign, c, asRefusal(notFound()), late)
	if n := strings.Count(f.log.String(), "unknown_path"); n != 2 {
		t.Errorf("after the interval: %d", n)
	}
}

// A caller that invents names of APIs in its own namespace neither fills the log
// nor displaces the refusals of other callers.
func TestInventedNamesDoNotFillTheLog(t *testing.T) {
	f, now := newFixture(t), time.Now()
	f.signer.now = func() time.Time { return now }
	handler := f.signer.SignHandler(false)
	call := func(conn *trackedConn, slot string) {
		recorder, request := recordRequest(forwardedRequest("/sign/"+slot, "GET", "/x", host))
		handler.ServeHTTP(recorder, withConn(request, conn))
		if recorder.Code != http.StatusServiceUnavailable {
			t.Fatalf("%s: %d", slot, recorder.Code)
		}
	}
	one, other := connWith(t, "signet://sign/team-a"), connWith(t, "signet://sign/team-b")
	const requests = 10 * logBurst
	for i := range requests {
		call(one, fmt.Sprintf("team-a/RELEASE/API/invented-%d", i))
	}
	if n := strings.Count(f.log.String(), `"slot"="team-a/RELEASE/API/invented-`); n != logBurst {
		t.Errorf("%d of %d invented names logged", n, requests)
	}
	call(other, "team-b/RELEASE/API/missed")
	if !strings.Contains(f.log.String(), "team-b/RELEASE/API/missed") {
		t.Error("refusal of another caller not logged")
	}
	if got := testutil.ToFloat64(f.signer.metrics.unusable.WithLabelValues(string(endpointSign), string(snapshot.ReasonNoBinding))); got != requests+1 {
		t.Errorf("%v of %d counted", got, requests+1)
	}
	now = now.Add(time.Second)
	call(one, "team-a/RELEASE/API/later")
	if want := fmt.Sprintf(`"suppressed"=%d`, requests-logBurst); !strings.Contains(f.log.String(), "API/later") || !strings.Contains(f.log.String(), want) {
		t.Errorf("the next refusal or the number of suppressed ones is not logged:\n%s", f.log.String()[max(0, f.log.text.Len()-600):])
	}
}

func TestPlainTextOnlyOnLoopback(t *testing.T) {
	for address, allowed := range map[string]bool{"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, ":0": false, "0.0.0.0:0": false} {
		opened, err := listen(t.Context(), "sign", address, false)
		if (err == nil) != allowed && !strings.Contains(err.Error(), "cannot assign requested address") {
			t.Errorf("%s: %v", address, err)
		}
		if opened != nil {
			_ = opened.Close()
		}
	}
	opened, err := listen(t.Context(), "sign", ":0", true)
	if err != nil {
		t.Fatal(err)
	}
	_ = opened.Close()
}

func TestConnectionLimitWithoutTLS(t *testing.T) {
	f := newFixture(t)
	opened, err := listen(t.Context(), "sign", "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	f.signer.limits.MaxConnections = 1
	opened = f.signer.limitConnections(endpointSign, opened, false)
	server := httpServer(f.signer.SignHandler(true), f.signer.limits, nil, f.logger())
	go func() { _ = server.Serve(opened) }()
	defer server.Close() //nolint:errcheck // end of the test
	first, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", opened.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	second, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", opened.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close() //nolint:errcheck // end of the test
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
