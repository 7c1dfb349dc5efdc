output "endpoint" {
  description = "API and studio"
  value       = "https://${var.host}"
}

output "key" {
  description = "API key of the first owner: terraform output -raw key"
  value       = module.release.key
  sensitive   = true
}

output "account" {
  description = "The storage account that the S3 gateway stands before"
  value       = module.storage.account
}
