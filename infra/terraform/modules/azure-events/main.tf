# A container whose changes reach Spindle through Event Grid. Event Grid asks the address for its consent when the
# subscription is made, so Spindle must answer there before.

terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.0"
    }
  }
}

resource "azurerm_storage_account" "documents" {
  name                            = var.account
  resource_group_name             = var.resource_group
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  allow_nested_items_to_be_public = false
}

resource "azurerm_storage_container" "containers" {
  for_each              = toset([var.container, var.models_container, var.undelivered_container])
  name                  = each.value
  storage_account_id    = azurerm_storage_account.documents.id
  container_access_type = "private"
}

resource "azurerm_eventgrid_system_topic" "changes" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  source_resource_id  = azurerm_storage_account.documents.id
  topic_type          = "Microsoft.Storage.StorageAccounts"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "spindle" {
  name                  = var.name
  system_topic          = azurerm_eventgrid_system_topic.changes.name
  resource_group_name   = var.resource_group
  event_delivery_schema = "EventGridSchema"
  included_event_types  = ["Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"]

  subject_filter {
    subject_begins_with = "/blobServices/default/containers/${var.container}/blobs/${var.prefix}"
  }

  webhook_endpoint {
    url                               = "${trimsuffix(var.endpoint, "/")}/events/storage?secret=${var.secret}"
    max_events_per_batch              = 100
    preferred_batch_size_in_kilobytes = 64
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.documents.id
    storage_blob_container_name = azurerm_storage_container.containers[var.undelivered_container].name
  }
}
