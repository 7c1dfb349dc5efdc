variable "name" {
  description = "Name of topic and subscription"
  type        = string
  default     = "spindle"
}

variable "resource_group" {
  description = "Name of an existing resource group"
  type        = string
}

variable "location" {
  description = "Where the storage account and the topic are made"
  type        = string
}

variable "account" {
  description = "Name of the storage account: 3 to 24 lower-case letters and digits"
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account))
    error_message = "A storage account's name has 3 to 24 lower-case letters and digits."
  }
}

variable "container" {
  description = "Container with documents; a project names it in storageInputContainerName"
  type        = string
  default     = "documents"
}

variable "models_container" {
  description = "Container with models, SPINDLE_MODELS_CONTAINER"
  type        = string
  default     = "spindle-models"
}

variable "undelivered_container" {
  description = "Container with what could not be delivered"
  type        = string
  default     = "undelivered"
}

variable "prefix" {
  description = "Only changes of blobs whose names begin so are told; all when empty"
  type        = string
  default     = ""
}

variable "endpoint" {
  description = "Where spindle serve answers, https://host"
  type        = string
  validation {
    condition     = startswith(var.endpoint, "https://")
    error_message = "Event Grid posts to https:// addresses that are reachable from the internet."
  }
}

variable "secret" {
  description = "Secret of the sender: SPINDLE_EVENTS_SECRET, or what `spindle source add` printed"
  type        = string
  sensitive   = true
}
