{{/* The manager's flags. One that has the manager's own default is left out. */}}
{{- define "signet.flags" -}}
- --leader-elect
- --metrics-bind-address=:8080
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- with .Values.gatewayNamespaces }}
- --gateway-namespaces={{ join "," . }}
{{- end }}
{{- if .Values.publicKeyEnable }}
- --public-key-enable
{{- end }}
{{- if .Values.rejectTakenSlots }}
- --reject-taken-slots
{{- end }}
{{- with .Values.logLevel }}
- --log-level={{ . }}
{{- end }}
{{- with .Values.logFormat }}
- --log-format={{ . }}
{{- end }}
{{- with .Values.concurrency }}
- --concurrency={{ int . }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ quote . }}
{{- end }}
{{- end }}
