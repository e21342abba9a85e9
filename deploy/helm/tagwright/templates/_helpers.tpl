{{/* The name of everything: the release's, with the chart's where that does not say what it is. */}}
{{- define "tagwright.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of what belongs to no namespace. */}}
{{- define "tagwright.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "tagwright.name" .) -}}
{{- end -}}

{{- define "tagwright.account" -}}
{{- default (include "tagwright.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* What tells the pods of this release from others. */}}
{{- define "tagwright.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tagwright.labels" -}}
{{ include "tagwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "tagwright.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tagwright.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* Whether a half runs. */}}
{{- define "tagwright.runs" -}}
{{- if or (empty .root.Values.controllers) (has .half .root.Values.controllers) -}}yes{{- end -}}
{{- end -}}

{{/* Whether several processes share the work. Those of one half do not: one of them leads. */}}
{{- define "tagwright.shares" -}}
{{- if and (gt (int .Values.replicas) 1) (ne (len .Values.controllers) 1) -}}yes{{- end -}}
{{- end -}}
