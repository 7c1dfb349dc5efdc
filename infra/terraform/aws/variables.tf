variable "region" {
  description = "Region of the buckets"
  type        = string
}

variable "kubeconfig" {
  description = "How the cluster is reached"
  type        = string
  default     = "~/.kube/config"
}

variable "registry" {
  description = "Registry and folder that the images of infra/containers were pushed to"
  type        = string
}

variable "database" {
  description = "postgres://user:password@host:5432/name; its network must be private, since the connection is not encrypted"
  type        = string
  sensitive   = true
}

variable "host" {
  description = "Name under which the internet reaches the ingress"
  type        = string
}

variable "ingress_class" {
  description = "Class of the ingress controller"
  type        = string
  default     = "nginx"
}

variable "tls_secret" {
  description = "kubernetes.io/tls Secret with the host's certificate"
  type        = string
}

variable "bucket" {
  description = "Bucket with documents"
  type        = string
}

variable "models_bucket" {
  description = "Bucket with models"
  type        = string
}

variable "prefix" {
  description = "Only changes of keys that begin so are told; all when empty"
  type        = string
  default     = ""
}

variable "route" {
  description = "How changes reach Spindle: eventbridge, or sns where messages must be signed"
  type        = string
  default     = "eventbridge"
}

variable "source_secret" {
  description = "What `spindle source add` printed, for sns; the installation's own secret when empty"
  type        = string
  default     = ""
  sensitive   = true
}
