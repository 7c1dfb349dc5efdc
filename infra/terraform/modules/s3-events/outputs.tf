output "bucket" {
  description = "The bucket with documents"
  value       = aws_s3_bucket.documents.bucket
}

output "models_bucket" {
  description = "The bucket with models"
  value       = aws_s3_bucket.models.bucket
}

output "topic" {
  description = "ARN for `spindle source add NAME --kind sns --topic ARN`; null with EventBridge"
  value       = one(aws_sns_topic.changes[*].arn)
}

output "undelivered" {
  description = "The queue with what could not be delivered"
  value       = aws_sqs_queue.undelivered.url
}

output "access_key_id" {
  description = "SPINDLE_S3_ACCESS_KEY_ID"
  value       = aws_iam_access_key.spindle.id
}

output "secret_access_key" {
  description = "SPINDLE_S3_SECRET_ACCESS_KEY"
  value       = aws_iam_access_key.spindle.secret
  sensitive   = true
}
