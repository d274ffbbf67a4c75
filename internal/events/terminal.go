// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// TerminalResult returns the result of a reconcile after which only a change by a
// user improves Ready. It is a terminal error with the reason, which is counted and
// not retried, once for each transition of Ready: a watch reports the change. If a
// timer is needed it is the timer alone, because an error would drop it.
func TerminalResult(before, after []metav1.Condition, requeueAfter time.Duration) (ctrl.Result, error) {
	transitions := status.Transitions(before, after, signetv1alpha1.ConditionReady)
	if len(transitions) == 0 || requeueAfter > 0 {
		return ctrl.Result{RequeueAfter: requeueAfter}, nil
	}
	return ctrl.Result{}, reconcile.TerminalError(errors.New(transitions[0].Reason))
}
