output "endpoint" {
  description = "API and studio"
  value       = "https://${var.host}"
}

output "key" {
  description = "API key of the first owner: terraform output -raw key"
  value       = module.release.key
  sensitive   = true
}

output "undelivered" {
  description = "The queue with changes that could not be told"
  value       = module.storage.undelivered
}

output "topic" {
  description = "ARN for `spindle source add NAME --kind sns --topic ARN`; null with EventBridge"
  value       = module.storage.topic
}
