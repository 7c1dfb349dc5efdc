# Spindle on a Kubernetes cluster that is there already (AKS or other), with documents and models in Blob Storage, which Spindle
# reads through an S3 gateway.

terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.0"
    }
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

provider "azurerm" {
  features {}
}

provider "kubernetes" {
  config_path = var.kubeconfig
}

provider "helm" {
  kubernetes = {
    config_path = var.kubeconfig
  }
}

resource "random_password" "events_secret" {
  length  = 64
  special = false
}

module "storage" {
  source         = "../modules/azure-events"
  resource_group = var.resource_group
  location       = var.location
  account        = var.account
  prefix         = var.prefix
  endpoint       = "https://${var.host}"
  secret         = random_password.events_secret.result
  # Event Grid asks the address for its consent.
  depends_on = [module.release]
}

module "release" {
  source        = "../modules/release"
  chart         = "${path.module}/../../kubernetes/spindle"
  registry      = var.registry
  database      = var.database
  events_secret = random_password.events_secret.result
  s3            = var.s3
  values = [yamlencode({
    ingress       = { enabled = true, host = var.host, className = var.ingress_class, tlsSecret = var.tls_secret }
    networkPolicy = { s3Port = var.s3_port }
  })]
}
