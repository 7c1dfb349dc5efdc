variable "resource_group" {
  description = "Name of an existing resource group"
  type        = string
}

variable "location" {
  description = "Where the storage account is made"
  type        = string
}

variable "account" {
  description = "Name of the storage account: 3 to 24 lower-case letters and digits"
  type        = string
}

variable "s3" {
  description = "The S3 gateway before the storage account"
  type = object({
    endpoint          = string
    region            = string
    models_container  = string
    access_key_id     = string
    secret_access_key = string
  })
  sensitive = true
}

variable "s3_port" {
  description = "Port of the S3 gateway"
  type        = number
  default     = 443
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

variable "prefix" {
  description = "Only changes of blobs whose names begin so are told; all when empty"
  type        = string
  default     = ""
}
