{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{/*
Objects that are the same in every installation come from files of config/, through
the links in files/, with the release's namespace and Helm's labels.
*/}}

{{/* The labels of each object of the release. */}}
{{- define "signet.labels" -}}
app.kubernetes.io/part-of: signet
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
The objects of the file `path` as YAML documents. The context has `root`, and
optionally `annotations` to add, and `kind` and `namespace` to override.
*/}}
{{- define "signet.objects" -}}
{{- $text := required (printf "the chart lacks %s" .path) (.root.Files.Get .path) }}
{{- range $document := regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml ($document | replace "signet-system" $.root.Release.Namespace) }}
{{- if hasKey $object "Error" }}{{ fail (printf "%s: %s" $.path $object.Error) }}{{ end }}
{{- if $object }}
{{- $labels := merge (fromYaml (include "signet.labels" $.root)) (dig "metadata" "labels" dict $object) }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- with $.annotations }}
{{- $_ := set $object.metadata "annotations" (merge dict . (dig "metadata" "annotations" dict $object)) }}
{{- end }}
{{- with $.kind }}{{- $_ := set $object "kind" . }}{{ end }}
{{- with $.namespace }}{{- $_ := set $object.metadata "namespace" . }}{{ end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The NetworkPolicy of the file `path`, whose rules with a `from` are those for
metrics. The context has `root`.
*/}}
{{- define "signet.metricsPolicy" -}}
{{- $policy := include "signet.objects" . | fromYaml }}
{{- with .root.Values.networkPolicy.metricsFrom }}
{{- $selector := dict "matchLabels" . }}
{{- range $rule := $policy.spec.ingress }}
{{- if hasKey $rule "from" }}{{ $_ := set $rule "from" (list (dict "namespaceSelector" $selector)) }}{{ end }}
{{- end }}
{{- end }}
---
{{ toYaml $policy }}
{{- end }}

{{/*
Binds the ServiceAccount `account`, by default the manager's, to the role `name`.
The context has `root`, and `namespace` to grant it there only. The role is a
ClusterRole, or of the kind `role`.
*/}}
{{- define "signet.grant" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (hasKey . "namespace") }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "signet.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .role | default "ClusterRole" }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ .account | default "signet-controller-manager" }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}
