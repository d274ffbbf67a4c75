// SPDX-License-Identifier: Apache-2.0

package match

import (
	"net/http"
	"strings"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

var methods = map[string]string{
	"create": http.MethodPost, "update": http.MethodPut, "patch": http.MethodPatch, "delete": http.MethodDelete,
}

// Writes matches the writes that env.RequestLog returns: exactly these, in this
// order. A write is a verb and a resource, as in "create secrets" or "patch
// signaturekeys/orders/status".
func Writes(writes ...string) types.GomegaMatcher {
	requests := make([]string, len(writes))
	for i, write := range writes {
		verb, resource, _ := strings.Cut(write, " ")
		group := "/api/v1/"
		if strings.HasPrefix(resource, "signature") {
			group = "/apis/" + signetv1alpha1.GroupVersion.String() + "/"
		}
		requests[i] = methods[verb] + " " + group + resource
	}
	return gomega.Equal(requests)
}
