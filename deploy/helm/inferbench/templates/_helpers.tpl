{{/* Refuses values without which nothing could run. */}}
{{- define "inferbench.check" -}}
{{- $config := required "config is empty: give the config file by --set-file config=FILE" .Values.config -}}
{{- $image := required "image is empty: give an image with inferbench and its plugins" .Values.image -}}
{{- $claim := required "claim is empty: give a persistent volume claim that all pods can write to" .Values.claim -}}
{{- if lt (int .Values.shards) 1 }}{{ fail (printf "shards is %v, must be 1 or more" .Values.shards) }}{{ end -}}
{{- end -}}

{{/* The pod of a Job; its command is in .command, its environment in .env. */}}
{{- define "inferbench.pod" -}}
restartPolicy: Never
containers:
  - name: inferbench
    image: {{ .root.Values.image | quote }}
    command:
      {{- toYaml .command | nindent 6 }}
    {{- with .env }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    resources:
      requests:
        cpu: {{ .root.Values.cpu | quote }}
        memory: {{ .root.Values.memory | quote }}
      limits:
        memory: {{ .root.Values.memory | quote }}
    volumeMounts:
      - name: config
        mountPath: /etc/inferbench
        readOnly: true
      - name: results
        mountPath: /results
volumes:
  - name: config
    configMap:
      name: {{ .root.Release.Name }}
  - name: results
    persistentVolumeClaim:
      claimName: {{ .root.Values.claim | quote }}
{{- end -}}
