{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{/*
The flags in addition to those of the Deployments in config/. Flags with their
default value are omitted.
*/}}

{{- define "signet.manager.flags" -}}
{{- include "signet.flags" . }}
{{- with .Values.gatewayNamespaces }}
- --gateway-namespaces={{ join "," . }}
{{- end }}
{{- if .Values.publicKeyEnable }}
- --public-key-enable
{{- end }}
{{- if .Values.rejectTakenSlots }}
- --reject-taken-slots
{{- end }}
{{- with .Values.concurrency }}
- --concurrency={{ int . }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ quote . }}
{{- end }}
{{- end }}

{{- define "signet.signer.flags" -}}
{{- include "signet.flags" . }}
{{- range .Values.signer.extraArgs }}
- {{ quote . }}
{{- end }}
{{- end }}

{{/* The flags of manager and signer. */}}
{{- define "signet.flags" -}}
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- with .Values.logLevel }}
- --log-level={{ . }}
{{- end }}
{{- with .Values.logFormat }}
- --log-format={{ . }}
{{- end }}
{{- end }}
