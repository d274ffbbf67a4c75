{{/*
The flags beyond those in config/'s Deployments. One that would say the program's
own default is left out.
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

{{/* What both take. */}}
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
