variable "namespace" {
  description = "Namespace that is made for the release"
  type        = string
  default     = "spindle"
}

variable "chart" {
  description = "Folder or address of the chart"
  type        = string
}

variable "registry" {
  description = "Registry and folder of the images"
  type        = string
}

variable "image_tag" {
  description = "Tag of the images; the chart's own when empty"
  type        = string
  default     = ""
}

variable "database" {
  description = "postgres://user:password@host:5432/name"
  type        = string
  sensitive   = true
}

variable "events_secret" {
  description = "SPINDLE_EVENTS_SECRET: what storage shows when it tells of changes"
  type        = string
  sensitive   = true
}

variable "s3" {
  description = "The S3 service with documents and models"
  type = object({
    endpoint          = string
    region            = string
    models_container  = string
    access_key_id     = string
    secret_access_key = string
  })
  sensitive = true
}

variable "values" {
  description = "More values of the chart, as YAML texts; later ones win"
  type        = list(string)
  default     = []
}
