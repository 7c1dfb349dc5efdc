output "account" {
  description = "The storage account"
  value       = azurerm_storage_account.documents.name
}

output "account_key" {
  description = "What an S3 gateway reads the account with"
  value       = azurerm_storage_account.documents.primary_access_key
  sensitive   = true
}

output "container" {
  description = "The container with documents"
  value       = azurerm_storage_container.containers[var.container].name
}

output "models_container" {
  description = "The container with models"
  value       = azurerm_storage_container.containers[var.models_container].name
}
