output "namespace" {
  description = "The namespace"
  value       = kubernetes_namespace_v1.spindle.metadata[0].name
}

output "key" {
  description = "API key of the first owner"
  value       = random_password.made["key"].result
  sensitive   = true
}
