variable "name" {
  description = "Prefix of everything that needs a name"
  type        = string
  default     = "spindle"
}

variable "bucket" {
  description = "Name of the bucket with documents; a project names it in storageInputContainerName"
  type        = string
}

variable "models_bucket" {
  description = "Name of the bucket with models, SPINDLE_MODELS_CONTAINER"
  type        = string
}

variable "prefix" {
  description = "Only changes of keys that begin so are told; all when empty"
  type        = string
  default     = ""
}

variable "endpoint" {
  description = "Where spindle serve answers, https://host"
  type        = string
  validation {
    condition     = startswith(var.endpoint, "https://")
    error_message = "EventBridge and SNS post to https:// addresses that are reachable from the internet."
  }
}

variable "secret" {
  description = "Secret of the sender: SPINDLE_EVENTS_SECRET for EventBridge, or what `spindle source add` printed"
  type        = string
  sensitive   = true
}

variable "route" {
  description = "How changes reach Spindle: eventbridge, or sns where messages must be signed"
  type        = string
  default     = "eventbridge"
  validation {
    condition     = contains(["eventbridge", "sns"], var.route)
    error_message = "The route is eventbridge or sns."
  }
}

variable "deliveries_per_second" {
  description = "Most deliveries of EventBridge per second"
  type        = number
  default     = 50
}
