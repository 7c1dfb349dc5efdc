# The Helm chart in a namespace of its own, with its Secret.

terraform {
  required_version = ">= 1.9"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = "~> 2.38"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
}

resource "kubernetes_namespace_v1" "spindle" {
  metadata {
    name = var.namespace
  }
}

resource "random_password" "made" {
  for_each = toset(["internal-secret", "key"])
  length   = 64
  special  = false
}

resource "kubernetes_secret_v1" "spindle" {
  metadata {
    name      = "spindle-secrets"
    namespace = kubernetes_namespace_v1.spindle.metadata[0].name
  }
  data = {
    database             = var.database
    internal-secret      = random_password.made["internal-secret"].result
    events-secret        = var.events_secret
    key                  = random_password.made["key"].result
    s3-access-key-id     = var.s3.access_key_id
    s3-secret-access-key = var.s3.secret_access_key
  }
}

resource "helm_release" "spindle" {
  name      = "spindle"
  namespace = kubernetes_namespace_v1.spindle.metadata[0].name
  chart     = var.chart
  # A release that does not become ready is taken back.
  atomic  = true
  timeout = 600
  values = concat([yamlencode({
    image   = { registry = var.registry, tag = var.image_tag }
    secrets = { existingSecret = kubernetes_secret_v1.spindle.metadata[0].name }
    s3 = {
      endpoint        = var.s3.endpoint
      region          = var.s3.region
      modelsContainer = var.s3.models_container
    }
  })], var.values)
}
