// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	_ "embed" // the objects
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Recorded is the namespace of the recorded objects.
const Recorded = "signet-recorded"

var (
	//go:embed fixtures/objects.yaml
	objects []byte
	//go:embed fixtures/contender.yaml
	contender []byte
)

// expectation is the reason of a condition.
type expectation struct{ kind, name, condition, reason string }

const (
	key     = "SignatureKey"
	binding = "SignatureBinding"
)

// atFirst is the state of the objects when all of them have been reconciled.
var atFirst = []expectation{
	{key, "generated", signetv1alpha1.ConditionInUse, signetv1alpha1.ReasonBound},
	{key, "supplied", signetv1alpha1.ConditionRotating, signetv1alpha1.ReasonNothingToRotate},
	{key, "sourceless", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonSourceNotFound},
	{key, "replaced", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonReady},
	{binding, "routes", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "unpublished", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonNotPublished},
	{binding, "offline", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "basic", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "aes", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "public", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "supplied", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "rotating", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "rotating-public", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "retiring", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "moved", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "moving", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
	{binding, "blocking", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
}

// changed is the state after the changes.
var changed = []expectation{
	{key, "deleted", signetv1alpha1.ConditionInUse, signetv1alpha1.ReasonDeletionBlocked},
	{key, "rotated", signetv1alpha1.ConditionRotating, signetv1alpha1.ReasonSettled},
	{key, "former", signetv1alpha1.ConditionInUse, signetv1alpha1.ReasonBound},
	{binding, "a-contender", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonConflicted},
	{binding, "offline", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonPartlyOffline},
	{binding, "moving", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonKeyNotReady},
	{binding, "moved", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
}

// underWay are the rotations that are recorded in the middle.
var underWay = []expectation{
	{key, "retiring", signetv1alpha1.ConditionRotating, signetv1alpha1.ReasonRetiring},
	{key, "staged", signetv1alpha1.ConditionRotating, signetv1alpha1.ReasonStaged},
	{key, "staged-public", signetv1alpha1.ConditionRotating, signetv1alpha1.ReasonStaged},
}

// CreateFixtures creates the objects under a running manager and brings them into
// every state that is stored. The rotations that are in progress when it returns
// last for the given time.
func (c *Cluster) CreateFixtures(ctx context.Context, seconds int) error {
	if _, err := c.feed(ctx, objects, "create", "-f", "-"); err != nil {
		return err
	}
	if err := c.publish(ctx, metav1.ConditionTrue, &gwapiv1.HTTPRoute{}, "orders"); err != nil {
		return err
	}
	if err := c.publish(ctx, metav1.ConditionTrue, &gwapiv1.HTTPRoute{}, "catalog"); err != nil {
		return err
	}
	if err := c.publish(ctx, metav1.ConditionTrue, &gwapiv1.GRPCRoute{}, "prices"); err != nil {
		return err
	}
	if err := c.waitAll(ctx, atFirst); err != nil {
		return err
	}
	if err := c.change(ctx); err != nil {
		return err
	}
	return c.Rotate(ctx, seconds, "recorded")
}

// change makes the changes, each of which completes or waits for the user.
func (c *Cluster) change(ctx context.Context) error {
	if _, err := c.feed(ctx, contender, "create", "-f", "-"); err != nil {
		return err
	}
	if err := c.publish(ctx, metav1.ConditionFalse, &gwapiv1.HTTPRoute{}, "catalog"); err != nil {
		return err
	}
	before, err := c.Look(ctx)
	if err != nil {
		return err
	}
	for name, patch := range map[string]string{
		"signaturekey/rotated":    `{"spec":{"rotation":{"trigger":"second"}}}`,
		"signaturekey/replaced":   `{"spec":{"rotation":{"revokeTrigger":"second"}}}`,
		"signaturebinding/moving": `{"spec":{"keyRef":{"name":"sourceless"}}}`,
		"signaturebinding/moved":  `{"spec":{"keyRef":{"name":"generated"}}}`,
	} {
		if err := c.patch(ctx, name, patch); err != nil {
			return err
		}
	}
	if _, err := c.Run(ctx, "-n", Recorded, "delete", "signaturekey", "deleted", "--wait=false"); err != nil {
		return err
	}
	err = Until(ctx, "the changes to be acted upon", func() error {
		now, err := c.Look(ctx)
		if err != nil {
			return err
		}
		for _, name := range []string{"rotated", "replaced"} {
			if now.Keys[name].Status.KeyID == before.Keys[name].Status.KeyID {
				return fmt.Errorf("SignatureKey %s has the version that it had", name)
			}
		}
		if now.Bindings["moved"].Status.PreviousKeys == nil {
			return errors.New("SignatureBinding moved has no previous key")
		}
		return nil
	})
	return errors.Join(err, c.waitAll(ctx, changed))
}

// Rotate starts rotations and returns when one is staged and one is retiring, each
// for the given number of seconds.
func (c *Cluster) Rotate(ctx context.Context, seconds int, trigger string) error {
	stage := fmt.Sprintf(`{"spec":{"rotation":{"stageSeconds":%d,"retireSeconds":1,"trigger":%q}}}`, seconds, trigger)
	retire := fmt.Sprintf(`{"spec":{"rotation":{"stageSeconds":1,"retireSeconds":%d,"trigger":%q}}}`, seconds, trigger)
	if err := c.patch(ctx, "signaturekey/retiring", retire); err != nil {
		return err
	}
	if err := c.waitAll(ctx, underWay[:1]); err != nil {
		return err
	}
	for _, name := range []string{"staged", "staged-public"} {
		if err := c.patch(ctx, "signaturekey/"+name, stage); err != nil {
			return err
		}
	}
	return c.waitAll(ctx, underWay)
}

func (c *Cluster) patch(ctx context.Context, object, patch string) error {
	_, err := c.Run(ctx, "-n", Recorded, "patch", object, "--type=merge", "-p", patch)
	return err
}

// publish sets whether the Gateway accepts the route, as a gateway controller
// would.
func (c *Cluster) publish(ctx context.Context, accepted metav1.ConditionStatus, route client.Object, name string) error {
	if err := c.Admin.Get(ctx, client.ObjectKey{Namespace: Recorded, Name: name}, route); err != nil {
		return fmt.Errorf("read the route %s: %w", name, err)
	}
	parents := []gwapiv1.RouteParentStatus{{
		ParentRef: gwapiv1.ParentReference{Name: "edge"}, ControllerName: "example.com/gateways",
		Conditions: []metav1.Condition{{
			Type: string(gwapiv1.RouteConditionAccepted), Status: accepted, Reason: "Recorded",
			ObservedGeneration: route.GetGeneration(), LastTransitionTime: metav1.Now(),
		}},
	}}
	switch route := route.(type) {
	case *gwapiv1.HTTPRoute:
		route.Status.Parents = parents
	case *gwapiv1.GRPCRoute:
		route.Status.Parents = parents
	}
	if err := c.Admin.Status().Update(ctx, route); err != nil {
		return fmt.Errorf("publish the route %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) waitAll(ctx context.Context, wanted []expectation) error {
	return Until(ctx, "the objects to reach their states", func() error {
		state, err := c.Look(ctx)
		if err != nil {
			return err
		}
		return state.unmet(wanted)
	})
}

// unmet returns which conditions differ from the expectation or belong to an older
// spec.
func (s *State) unmet(wanted []expectation) error {
	var found []error
	for _, want := range wanted {
		conditions, generation := s.conditions(want.kind, want.name)
		condition := meta.FindStatusCondition(conditions, want.condition)
		if condition == nil || condition.Reason != want.reason || condition.ObservedGeneration != generation {
			found = append(found, fmt.Errorf("%s of %s %s must have the reason %s but is %+v", want.condition, want.kind, want.name, want.reason, condition))
		}
	}
	return errors.Join(found...)
}

func (s *State) conditions(kind, name string) ([]metav1.Condition, int64) {
	if object := s.Keys[name]; kind == key && object != nil {
		return object.Status.Conditions, object.Generation
	}
	if object := s.Bindings[name]; kind == binding && object != nil {
		return object.Status.Conditions, object.Generation
	}
	return nil, 0
}
