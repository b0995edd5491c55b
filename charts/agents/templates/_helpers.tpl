{{/* Names, labels and parts that several templates share. Values are quoted: YAML reads 1e3 as a number. */}}

{{- define "agents.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "agents.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "agents.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "agents.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "agents.selectorLabels" -}}
app.kubernetes.io/name: {{ include "agents.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "agents.labels" -}}
{{ include "agents.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Metadata of an object of a component, or of its hook. */}}
{{- define "agents.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "agents.fullname" .root) .component) }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
labels:
  {{- include "agents.labels" . | nindent 2 }}
{{- with .labels }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "agents.hookAnnotations" . }}
{{- end -}}

{{/* The hook of a component: it and its rights exist only while it runs. */}}
{{- define "agents.hookAnnotations" -}}
{{- $hooks := dict "install" "pre-install,pre-upgrade" "uninstall" "pre-delete" -}}
{{- with get $hooks .component }}
annotations:
  helm.sh/hook: {{ . }}
  helm.sh/hook-weight: {{ $.weight | default "-10" | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
  helm.sh/hook-output-log-policy: hook-failed
{{- end }}
{{- end -}}

{{- define "agents.imageOf" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "agents.certificateSecret" -}}
{{- .Values.certificates.secretName | default (printf "%s-webhook-certificate" (include "agents.fullname" .)) -}}
{{- end -}}

{{/* NAMESPACE/NAME of the Certificate that cainjector reads. */}}
{{- define "agents.certificate" -}}
{{ .Release.Namespace }}/{{ include "agents.fullname" . }}-webhook
{{- end -}}

{{/* A generated file with the names that only Helm knows. */}}
{{- define "agents.file" -}}
{{- $service := printf "%s-webhook" (include "agents.fullname" .root) -}}
{{- .root.Files.Get .path | replace "RELEASE-NAMESPACE" (quote .root.Release.Namespace) | replace "WEBHOOK-SERVICE" $service | replace "CERTIFICATE-SECRET" (include "agents.certificateSecret" .root | quote) -}}
{{- end -}}

{{/* Pod security `restricted`, for the pod and its container. */}}
{{- define "agents.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "agents.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop:
  - ALL
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Where the pods of a Deployment run. */}}
{{- define "agents.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClass.name }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "agents.selectorLabels" $ | nindent 6 }}
  matchLabelKeys:
  - pod-template-hash
{{- end }}
{{- end -}}

{{- define "agents.podMetadata" -}}
labels:
  {{- include "agents.labels" . | nindent 2 }}
{{- with .pods.labels }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pods.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "agents.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: health
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /livez
    port: health
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: health
  periodSeconds: 2
  timeoutSeconds: 2
{{- end -}}
