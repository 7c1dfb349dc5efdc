# Spindle on a Kubernetes cluster that is there already (EKS or other), with documents and models in S3.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
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

provider "aws" {
  region = var.region
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
  source        = "../modules/s3-events"
  bucket        = var.bucket
  models_bucket = var.models_bucket
  prefix        = var.prefix
  endpoint      = "https://${var.host}"
  route         = var.route
  secret        = var.source_secret == "" ? random_password.events_secret.result : var.source_secret
}

module "release" {
  source        = "../modules/release"
  chart         = "${path.module}/../../kubernetes/spindle"
  registry      = var.registry
  database      = var.database
  events_secret = random_password.events_secret.result
  s3 = {
    endpoint          = "https://s3.${var.region}.amazonaws.com"
    region            = var.region
    models_container  = module.storage.models_bucket
    access_key_id     = module.storage.access_key_id
    secret_access_key = module.storage.secret_access_key
  }
  values = [yamlencode({
    ingress = { enabled = true, host = var.host, className = var.ingress_class, tlsSecret = var.tls_secret }
  })]
}
