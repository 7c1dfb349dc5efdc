{{- define "spindle.name" -}}
{{- if contains "spindle" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-spindle" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "spindle.labels" -}}
app.kubernetes.io/name: spindle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "spindle.hostSelector" -}}
app.kubernetes.io/name: spindle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: host
{{- end }}

{{- define "spindle.workerSelector" -}}
app.kubernetes.io/name: spindle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end }}

{{- /* Image NAME of the list (context, NAME). */ -}}
{{- define "spindle.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{- define "spindle.secret" -}}
{{ .Values.secrets.existingSecret | default (include "spindle.name" .) }}
{{- end }}

{{- /* Which files of the Secret the list (context, role) sees. */ -}}
{{- define "spindle.secretItems" -}}
- { key: database, path: database }
- { key: internal-secret, path: internal-secret }
- { key: s3-access-key-id, path: s3-access-key-id }
- { key: s3-secret-access-key, path: s3-secret-access-key }
{{- if eq (index . 1) "host" }}
- { key: events-secret, path: events-secret }
- { key: key, path: key }
{{- end }}
{{- end }}

{{- /* What host and worker are told alike, as name and value. */ -}}
{{- define "spindle.settings" -}}
SPINDLE_DATABASE_FILE: /run/secrets/spindle/database
SPINDLE_INTERNAL_SECRET_FILE: /run/secrets/spindle/internal-secret
SPINDLE_S3_ACCESS_KEY_ID_FILE: /run/secrets/spindle/s3-access-key-id
SPINDLE_S3_SECRET_ACCESS_KEY_FILE: /run/secrets/spindle/s3-secret-access-key
SPINDLE_S3_ENDPOINT: {{ required "s3.endpoint is needed: the address of the S3 service" .Values.s3.endpoint | quote }}
SPINDLE_S3_REGION: {{ .Values.s3.region | quote }}
SPINDLE_MODELS_CONTAINER: {{ .Values.s3.modelsContainer | quote }}
SPINDLE_LIMITS: /etc/spindle/limits.json
SPINDLE_SUBSCRIBERS: {{ join "," .Values.settings.subscribers | quote }}
SPINDLE_LOG: {{ .Values.settings.log | quote }}
SPINDLE_LOG_FORMAT: {{ .Values.settings.logFormat | quote }}
{{- end }}

{{- define "spindle.hostSettings" -}}
{{ include "spindle.settings" . }}
SPINDLE_DEVICE: {{ .Values.settings.device | quote }}
SPINDLE_EVENTS_SECRET_FILE: /run/secrets/spindle/events-secret
SPINDLE_KEY_FILE: /run/secrets/spindle/key
SPINDLE_DRAIN_SECONDS: {{ .Values.host.drainSeconds | quote }}
{{- end }}

{{- /* Changes whenever what pods read at their start changes. */ -}}
{{- define "spindle.checksum" -}}
{{ printf "%s %s" (toJson .Values.settings.limits) (toJson .Values.secrets) | sha256sum }}
{{- end }}

{{- define "spindle.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "spindle.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Volumes of the list (context, role, size limit). */ -}}
{{- define "spindle.volumes" -}}
{{- $root := index . 0 -}}
- name: secrets
  secret:
    secretName: {{ include "spindle.secret" $root }}
    items:
      {{- include "spindle.secretItems" (list $root (index . 1)) | nindent 6 }}
- name: limits
  configMap:
    name: {{ include "spindle.name" $root }}
- name: data
  emptyDir:
    sizeLimit: {{ index . 2 }}
- name: tmp
  emptyDir: {}
{{- end }}

{{- define "spindle.volumeMounts" -}}
- { name: secrets, mountPath: /run/secrets/spindle, readOnly: true }
- { name: limits, mountPath: /etc/spindle, readOnly: true }
- { name: data, mountPath: /var/lib/spindle }
- { name: tmp, mountPath: /tmp }
{{- end }}
