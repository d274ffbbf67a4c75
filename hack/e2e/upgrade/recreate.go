// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
)

// moveLeft is for how long a recorded move is under way.
const moveLeft = 30 * time.Second

// Recreate installs a baseline and creates its objects, with status, finalizers and
// owners. No manager runs.
//
// What the API server gives an object is not what it was: UID, resourceVersion,
// creationTimestamp and deletionTimestamp, and who last wrote which field.
// Owner references and statuses follow the new UIDs, and specs are changed as often as it
// takes to reach the recorded generation. Bindings are created in the opposite
// order of their age, so that only boundAt determines the holder of a slot. Times in
// Secrets and statuses are the recorded ones, and what was to happen since is
// overdue; but the key before a move is accepted for some seconds more, so that
// the move is under way.
func (c *Cluster) Recreate(ctx context.Context, root, name string) error {
	install := filepath.Join(Folder(root, name), installFile)
	if err := c.Apply(ctx, "-f", install); err != nil {
		return err
	}
	// No manager serves admission yet. The second Apply restores the webhooks.
	if _, err := c.Run(ctx, "delete", "validatingwebhookconfiguration", "signet"); err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(Folder(root, name), objectsFile))
	if err != nil {
		return fmt.Errorf("read the recorded objects: %w", err)
	}
	defer func() { _ = file.Close() }()
	recorded, err := controlplane.Decode(file)
	if err != nil {
		return err
	}
	if err := c.recreateAll(ctx, recorded); err != nil {
		return err
	}
	return c.Apply(ctx, "-f", install)
}

func (c *Cluster) recreateAll(ctx context.Context, recorded []*unstructured.Unstructured) error {
	manager, err := c.asManager(ctx)
	if err != nil {
		return err
	}
	first := slices.IndexFunc(recorded, func(object *unstructured.Unstructured) bool { return object.GetKind() == binding })
	if first < 0 {
		return errors.New("no SignatureBinding was recorded")
	}
	slices.SortStableFunc(recorded[first:], func(a, b *unstructured.Unstructured) int {
		created := a.GetCreationTimestamp()
		return b.GetCreationTimestamp().Compare(created.Time)
	})
	uids := map[string]string{}
	for _, object := range recorded {
		if created := object.GetCreationTimestamp(); created.After(time.Now()) {
			return fmt.Errorf("%s %s was recorded at %s: the clock is wrong", object.GetKind(), object.GetName(), created)
		}
		as := client.Client(c.Admin)
		if isManaged(object) {
			as = manager // the policy refuses all others
		}
		if err := recreate(ctx, as, object.DeepCopy(), uids); err != nil {
			return err
		}
	}
	for _, object := range recorded {
		if err := c.recordSecret(ctx, object, uids); err != nil {
			return err
		}
	}
	for _, object := range recorded {
		if object.GetDeletionTimestamp() == nil {
			continue
		}
		if err := c.Admin.Delete(ctx, object.DeepCopy(), client.PropagationPolicy("Background")); err != nil {
			return fmt.Errorf("delete %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// recordSecret puts the new UID of a key's Secret on record. That Secret was created
// after the key, which owns it.
func (c *Cluster) recordSecret(ctx context.Context, recorded *unstructured.Unstructured, uids map[string]string) error {
	old, found, err := unstructured.NestedString(recorded.Object, "status", "secretUID")
	uid, known := uids[old]
	if err != nil || !found || !known || recorded.GetKind() != key {
		return err
	}
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{"secretUID":%q}}`, uid))
	if err := c.Admin.Status().Patch(ctx, recorded.DeepCopy(), patch); err != nil {
		return fmt.Errorf("record the Secret of %s %s: %w", recorded.GetKind(), recorded.GetName(), err)
	}
	return nil
}

func isManaged(object *unstructured.Unstructured) bool {
	_, labeled := object.GetLabels()["signet.dev/signature-key"]
	return labeled && (object.GetKind() == "Secret" || object.GetKind() == "ConfigMap")
}

// asManager returns a client with the manager's own permissions.
func (c *Cluster) asManager(ctx context.Context) (client.Client, error) {
	config, err := c.ServiceAccountConfig(ctx, System, "signet-controller-manager")
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register API types: %w", err)
	}
	manager, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("create the manager's client: %w", err)
	}
	return manager, nil
}

// recreate creates an object as it was recorded, with its status. It notes the
// UID by the one that was recorded.
func recreate(ctx context.Context, c client.Client, object *unstructured.Unstructured, uids map[string]string) error {
	recorded := object.DeepCopy()
	object.SetUID("")
	object.SetResourceVersion("")
	if object.GetKind() == "Namespace" {
		object.SetLabels(nil)
		unstructured.RemoveNestedField(object.Object, "spec")
	}
	owners := object.GetOwnerReferences()
	for i := range owners {
		uid, known := uids[string(owners[i].UID)]
		if !known {
			return fmt.Errorf("the owner of %s %s was not recorded", object.GetKind(), object.GetName())
		}
		owners[i].UID = types.UID(uid)
	}
	object.SetOwnerReferences(owners)
	if varied[object.GetKind()] != "" && generations(recorded) > 1 {
		object.SetGeneration(0)
		if err := vary(object); err != nil {
			return err
		}
	}
	if err := c.Create(ctx, object); err != nil {
		return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	uids[string(recorded.GetUID())] = string(object.GetUID())
	if err := age(ctx, c, object, recorded); err != nil {
		return err
	}
	status, has := recorded.Object["status"]
	if !has || object.GetKind() == "Namespace" {
		return nil
	}
	object.Object["status"] = status
	if err := prolongMoves(object); err != nil {
		return err
	}
	if err := c.Status().Update(ctx, object); err != nil {
		return fmt.Errorf("write the status of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// prolongMoves lets previous keys be accepted for some time from now on.
func prolongMoves(object *unstructured.Unstructured) error {
	previous, moved, err := unstructured.NestedSlice(object.Object, "status", "previousKeys")
	if err != nil || !moved {
		return err
	}
	for _, entry := range previous {
		fields, ok := entry.(map[string]any)
		if !ok {
			return errors.New("an entry of status.previousKeys is not an object")
		}
		fields["until"] = time.Now().Add(moveLeft).UTC().Format(time.RFC3339)
	}
	if err := unstructured.SetNestedSlice(object.Object, previous, "status", "previousKeys"); err != nil {
		return fmt.Errorf("prolong moves: %w", err)
	}
	return nil
}

// varied are the fields by which specs are changed.
var varied = map[string]string{key: "displayName", binding: "backendHost"}

// generations are how many specs the object has had.
func generations(recorded *unstructured.Unstructured) int64 {
	if recorded.GetDeletionTimestamp() != nil {
		return recorded.GetGeneration() - 1
	}
	return recorded.GetGeneration()
}

// vary changes the spec to one that the object did not have.
func vary(object *unstructured.Unstructured) error {
	other := fmt.Sprintf("generation%d", object.GetGeneration())
	if err := unstructured.SetNestedField(object.Object, other, "spec", varied[object.GetKind()]); err != nil {
		return fmt.Errorf("change the spec of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// age changes the spec, at last to the recorded one, until the object is of the
// recorded generation.
func age(ctx context.Context, c client.Client, object, recorded *unstructured.Unstructured) error {
	wanted := generations(recorded)
	for varied[object.GetKind()] != "" && object.GetGeneration() < wanted {
		object.Object["spec"] = runtime.DeepCopyJSONValue(recorded.Object["spec"])
		if object.GetGeneration() < wanted-1 {
			if err := vary(object); err != nil {
				return err
			}
		}
		if err := c.Update(ctx, object); err != nil {
			return fmt.Errorf("change the spec of %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
