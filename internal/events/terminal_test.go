// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestTerminalResultIsAnErrorOncePerTransition(t *testing.T) {
	ready := func(reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
	}
	invalid := ready(signetv1alpha1.ReasonInvalidSpec, "Invalid spec: a.")
	for name, c := range map[string]struct {
		before       []metav1.Condition
		requeueAfter time.Duration
		want         ctrl.Result
		terminal     bool
	}{
		"a first report":          {terminal: true},
		"another reason":          {before: ready(signetv1alpha1.ReasonInvalidSource, "x"), terminal: true},
		"another message":         {before: ready(signetv1alpha1.ReasonInvalidSpec, "Invalid spec: b.")},
		"no change":               {before: invalid},
		"a first report, timed":   {requeueAfter: time.Minute, want: ctrl.Result{RequeueAfter: time.Minute}},
		"no change, with a timer": {before: invalid, requeueAfter: time.Minute, want: ctrl.Result{RequeueAfter: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := TerminalResult(c.before, invalid, c.requeueAfter)
			if got != c.want || errors.Is(err, reconcile.TerminalError(nil)) != c.terminal || (err != nil) != c.terminal {
				t.Errorf("TerminalResult = %v, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), signetv1alpha1.ReasonInvalidSpec) {
				t.Errorf("the error lacks the reason: %v", err)
			}
		})
	}
}
