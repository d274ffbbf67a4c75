{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{/*
A Deployment of config/ with the values applied. The context has `root`, `path`,
`resources`, `flags` in addition to those of the file, and optionally `replicas`.
*/}}
{{- define "signet.deployment" -}}
{{- $values := .root.Values }}
{{- $object := include "signet.objects" (dict "root" .root "path" .path) | fromYaml }}
{{- with .replicas }}{{- $_ := set $object.spec "replicas" . }}{{ end }}

{{- $metadata := $object.spec.template.metadata }}
{{- $_ := set $metadata "labels" (merge dict $metadata.labels $values.podLabels) }}
{{- $_ := set $metadata "annotations" (merge dict $metadata.annotations $values.podAnnotations) }}

{{- $pod := $object.spec.template.spec }}
{{- $_ := set $pod "nodeSelector" $values.nodeSelector }}
{{- range $field := tuple "imagePullSecrets" "tolerations" "affinity" "priorityClassName" }}
{{- with index $values $field }}{{- $_ := set $pod $field . }}{{ end }}
{{- end }}

{{- $container := first $pod.containers }}
{{- $_ := set $container "image" (include "signet.image" .root) }}
{{- if ne $values.image.pullPolicy "IfNotPresent" }}
{{- $_ := set $container "imagePullPolicy" $values.image.pullPolicy }}
{{- end }}
{{- $_ := set $container "resources" .resources }}
{{- $_ := set $container "args" (concat $container.args (fromYamlArray .flags)) }}
---
{{ toYaml $object }}
{{- end }}

{{- define "signet.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}
