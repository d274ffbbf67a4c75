// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

func TestSetTemplate(t *testing.T) {
	cases := map[string]struct {
		labels, annotations map[string]string
		template            *signetv1alpha1.SecretTemplate
		wantLabels          map[string]string
		wantAnnotations     map[string]string
	}{
		"none": {},
		"first": {
			template: &signetv1alpha1.SecretTemplate{
				Labels:      map[string]signetv1alpha1.LabelValue{"team": "shop"},
				Annotations: map[string]signetv1alpha1.AnnotationValue{"example.com/a": "x, y", "b": ""},
			},
			wantLabels: map[string]string{"team": "shop"},
			wantAnnotations: map[string]string{
				"example.com/a": "x, y", "b": "", annotationTemplate: "annotation:b,annotation:example.com/a,label:team",
			},
		},
		"in addition to those of others": {
			labels: map[string]string{"other": "1"}, annotations: map[string]string{"other": "2"},
			template:        &signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "shop"}},
			wantLabels:      map[string]string{"other": "1", "team": "shop"},
			wantAnnotations: map[string]string{"other": "2", annotationTemplate: "label:team"},
		},
		"smaller than before": {
			labels:          map[string]string{"team": "shop", "tier": "1"},
			annotations:     map[string]string{"team": "of another client", "a": "1", annotationTemplate: "annotation:a,label:team,label:tier"},
			template:        &signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "depot"}},
			wantLabels:      map[string]string{"team": "depot"},
			wantAnnotations: map[string]string{"team": "of another client", annotationTemplate: "label:team"},
		},
		"removed": {
			labels: map[string]string{"team": "shop"}, annotations: map[string]string{annotationTemplate: "label:team"},
			wantLabels: map[string]string{}, wantAnnotations: map[string]string{},
		},
		"with a list that names nothing": {
			labels: map[string]string{"team": "shop"}, annotations: map[string]string{annotationTemplate: ",team,:"},
			wantLabels: map[string]string{"team": "shop"}, wantAnnotations: map[string]string{},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: c.labels, Annotations: c.annotations}}
			setTemplate(secret, c.template)
			if diff := cmp.Diff(c.wantLabels, secret.Labels); diff != "" {
				t.Errorf("labels: %s", diff)
			}
			if diff := cmp.Diff(c.wantAnnotations, secret.Annotations); diff != "" {
				t.Errorf("annotations: %s", diff)
			}
		})
	}
}

func TestSetOwner(t *testing.T) {
	key := testKey()
	own := *metav1.NewControllerRef(key, material.KeyKind)
	stale := own
	stale.UID = "before the restore"
	weak := metav1.OwnerReference{APIVersion: own.APIVersion, Kind: own.Kind, Name: own.Name, UID: own.UID}
	other := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "orders", UID: "other"}
	namesake := other
	namesake.APIVersion, namesake.Kind = "example.com/v1", "SignatureKey"
	retain := func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Target.DeletionPolicy = signetv1alpha1.DeletionPolicyRetain
	}
	deleted := func(key *signetv1alpha1.SignatureKey) { key.DeletionTimestamp = &metav1.Time{Time: testNow} }

	cases := map[string]struct {
		key  func(*signetv1alpha1.SignatureKey)
		have []metav1.OwnerReference
		want []metav1.OwnerReference
	}{
		"none yet":              {nil, nil, []metav1.OwnerReference{own}},
		"there":                 {nil, []metav1.OwnerReference{own}, []metav1.OwnerReference{own}},
		"twice":                 {nil, []metav1.OwnerReference{own, own}, []metav1.OwnerReference{own}},
		"without control":       {nil, []metav1.OwnerReference{weak}, []metav1.OwnerReference{own}},
		"of an earlier key":     {nil, []metav1.OwnerReference{stale}, []metav1.OwnerReference{own}},
		"in place of others":    {nil, []metav1.OwnerReference{other, namesake}, []metav1.OwnerReference{own}},
		"retained":              {retain, []metav1.OwnerReference{other, own, stale}, nil},
		"orphaned by deletion":  {deleted, nil, nil},
		"deleted, not orphaned": {deleted, []metav1.OwnerReference{own}, []metav1.OwnerReference{own}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			key := key.DeepCopy()
			if c.key != nil {
				c.key(key)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{OwnerReferences: c.have}}
			setOwner(secret, key)
			if diff := cmp.Diff(c.want, secret.OwnerReferences); diff != "" {
				t.Error(diff)
			}
		})
	}
}
