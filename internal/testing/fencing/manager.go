// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientevents "k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/controllers/signaturebinding"
	"github.com/signet-dev/signet/controllers/signaturekey"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
)

// manager is a process with both reconcilers, its caches, and the work in progress.
type manager struct {
	server *store
	// cache is what the watches have shown.
	cache    objects
	leading  bool
	claims   *slots.ClaimCache
	bindings *signaturebinding.Reconciler
	keys     *signaturekey.Reconciler
	tasks    map[objectName]*task
}

// task is one reconcile. It runs until it sends a write.
type task struct {
	object objectName
	// sent is the write that is on its way, and applied whether it has taken effect.
	sent     *write
	applied  bool
	response client.Object
	err      error
	// step receives the next write, or nil at the end.
	step  chan *write
	reply chan error
}

type taskKey struct{}

func newManager(server *store, cache objects, clock *clocktesting.FakePassiveClock) *manager {
	m := &manager{server: server, cache: objects{}, leading: true, claims: slots.NewClaimCache(), tasks: map[objectName]*task{}}
	maps.Copy(m.cache, cache)
	version := func() int { return server.versions }
	live, cached := reader{server: func() objects { return server.objects }, version: version},
		reader{server: func() objects { return m.cache }, version: version}
	writer := kubeclient.WhileLeading(&scriptedClient{reader: cached}, func() bool { return m.leading })
	begins, written := &term.Term{Cache: cached, Live: live, Claims: m.claims}, kubeclient.NewWritten()
	m.bindings = &signaturebinding.Reconciler{
		Client: writer, Live: live, Term: begins, Written: written, Routes: noRoutes{}, Clock: clock,
	}
	m.keys = &signaturekey.Reconciler{
		Client: writer, Live: live, Term: begins, Written: written, Clock: clock, Rand: rand.Reader,
		Options: signaturekey.Options{ClusterWide: true, PublicKeyEnabled: true},
	}
	m.bindings.Prepare(events.Recorder{Sink: &clientevents.FakeRecorder{}})
	m.keys.Prepare(events.Recorder{Sink: &clientevents.FakeRecorder{}})
	for _, object := range m.cache.sorted() {
		m.observe(object, nil)
	}
	return m
}

// observe is what the handlers of the watches do.
func (m *manager) observe(object, gone client.Object) {
	switch object := object.(type) {
	case *signetv1alpha1.SignatureBinding:
		m.claims.Update(object)
	case *signetv1alpha1.SignatureKey:
		m.claims.ObserveKey(namespace, object.Name, object)
	}
	switch gone := gone.(type) {
	case *signetv1alpha1.SignatureBinding:
		m.claims.Delete(gone)
	case *signetv1alpha1.SignatureKey:
		m.claims.ObserveKey(namespace, gone.Name, nil)
	}
}

// see shows the manager the present version of an object.
func (m *manager) see(name objectName) {
	known, present := m.cache[name], m.server.objects[name]
	switch {
	case present == nil && known == nil:
		m.observe(nil, m.server.gone[name]) // it came and went
	case present == nil:
		delete(m.cache, name)
		m.observe(nil, known)
	case known != nil && known.GetUID() != present.GetUID():
		m.cache[name] = present
		m.observe(present, known)
	default:
		m.cache[name] = present
		m.observe(present, nil)
	}
}

func (m *manager) seeAll() {
	names := maps.Clone(m.server.gone)
	maps.Copy(names, m.cache)
	maps.Copy(names, m.server.objects)
	for _, object := range names.sorted() {
		m.see(nameOf(object))
	}
}

// start begins a reconcile, unless one of that object is in progress.
func (m *manager) start(ctx context.Context, object objectName) {
	if m.tasks[object] != nil {
		return
	}
	t := &task{object: object, step: make(chan *write), reply: make(chan error)}
	m.tasks[object] = t
	request := ctrl.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: object.name}}
	go func() {
		ctx := context.WithValue(ctx, taskKey{}, t)
		if object.kind == bindingKind {
			_, t.err = m.bindings.Reconcile(ctx, request)
		} else {
			_, t.err = m.keys.Reconcile(ctx, request)
		}
		t.step <- nil
	}()
	m.next(t)
}

// next waits until the task sends a write or ends.
func (m *manager) next(t *task) {
	t.sent, t.applied, t.response = <-t.step, false, nil
	if t.sent == nil {
		delete(m.tasks, t.object)
	}
}

// deliver lets the write of a task take effect, as far as the API server accepts it.
func (m *manager) deliver(t *task) {
	if t.applied {
		return
	}
	t.applied = true
	t.response, t.err = m.server.apply(t.sent)
}

// answer lets the answer arrive, after the write has been delivered.
func (m *manager) answer(t *task) {
	m.deliver(t)
	if t.err == nil {
		reflect.ValueOf(t.sent.object).Elem().Set(reflect.ValueOf(t.response).Elem())
	}
	t.reply <- t.err
	m.next(t)
}

// repeat lets the client repeat a request, and the answer to that arrive.
func (m *manager) repeat(t *task) {
	m.deliver(t)
	_, t.err = m.server.apply(t.sent)
	t.reply <- t.err
	m.next(t)
}

// lose lets the client give up. It returns the write if it has not been delivered: it
// may still be on its way.
func (m *manager) lose(t *task) *write {
	var late *write
	if !t.applied {
		copied := *t.sent
		copied.object = kubeclient.Copy(t.sent.object)
		late = &copied
	}
	t.reply <- apierrors.NewTimeoutError("no answer", 0)
	m.next(t)
	return late
}

// depose lets the lease expire. It returns the writes that are still on their way.
func (m *manager) depose() []*write {
	m.leading = false
	var late []*write
	for len(m.tasks) > 0 {
		for _, t := range m.tasks {
			if w := m.lose(t); w != nil {
				late = append(late, w)
			}
			break
		}
	}
	return late
}

// scriptedClient reads from the caches, and hands each write to the script.
type scriptedClient struct {
	reader
	client.Client
}

func (c *scriptedClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return c.reader.Get(ctx, key, object, options...)
}

func (c *scriptedClient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.reader.List(ctx, list, options...)
}

func send(ctx context.Context, w *write) error {
	t, ok := ctx.Value(taskKey{}).(*task)
	if !ok {
		return errors.New("a write outside of a reconcile")
	}
	t.step <- w
	return <-t.reply
}

func (c *scriptedClient) Create(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
	return send(ctx, &write{verb: "create", object: object})
}

func (c *scriptedClient) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return sendPatch(ctx, object, patch, false)
}

func sendPatch(ctx context.Context, object client.Object, patch client.Patch, status bool) error {
	data, err := patch.Data(object)
	if err != nil {
		return err
	}
	return send(ctx, &write{verb: "patch", object: object, patch: data, status: status})
}

func (c *scriptedClient) Status() client.SubResourceWriter { return scriptedStatus{} }

type scriptedStatus struct{ client.SubResourceWriter }

func (scriptedStatus) Update(ctx context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	return send(ctx, &write{verb: "update", object: object, status: true})
}

func (scriptedStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return sendPatch(ctx, object, patch, true)
}

// reader reads from the API server or from a cache.
type reader struct {
	server  func() objects
	version func() int
}

func (r reader) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if metadata, ok := object.(*metav1.PartialObjectMetadata); ok {
		metadata.Name = key.Name // the namespace
		return nil
	}
	found := r.server()[objectName{reflect.TypeOf(object), key.Name}]
	if found == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", object)}, key.Name)
	}
	reflect.ValueOf(object).Elem().Set(reflect.ValueOf(kubeclient.Copy(found)).Elem())
	return nil
}

func (r reader) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	selected := (&client.ListOptions{}).ApplyOptions(options)
	add := func(object client.Object, add func()) {
		if selected.LabelSelector == nil || selected.LabelSelector.Matches(labelsOf(object)) {
			add()
		}
	}
	switch list := list.(type) {
	case *metav1.PartialObjectMetadataList:
		list.ResourceVersion = strconv.Itoa(r.version())
	case *signetv1alpha1.SignatureBindingList:
		list.ResourceVersion = strconv.Itoa(r.version())
		for _, object := range all[*signetv1alpha1.SignatureBinding](r.server()) {
			add(object, func() { list.Items = append(list.Items, *object) })
		}
	case *signetv1alpha1.SignatureKeyList:
		for _, object := range all[*signetv1alpha1.SignatureKey](r.server()) {
			add(object, func() { list.Items = append(list.Items, *object) })
		}
	case *corev1.SecretList:
		for _, object := range all[*corev1.Secret](r.server()) {
			add(object, func() { list.Items = append(list.Items, *object) })
		}
	}
	return nil
}

// noRoutes answers for bindings that list no routes.
type noRoutes struct{}

func (noRoutes) WaitForSync(context.Context) error                                     { return nil }
func (noRoutes) Subscribe(func(gatewayapi.RouteRef))                                   {}
func (noRoutes) Rewrites(signetv1alpha1.APIKind, string, string) []publication.Rewrite { return nil }
func (noRoutes) Cause(signetv1alpha1.APIKind, string, string, string) publication.Cause {
	return publication.Cause{}
}
func (noRoutes) Publication(signetv1alpha1.APIKind, string, string, string, *int32) publication.State {
	return publication.State{}
}
