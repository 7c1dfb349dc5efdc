# A bucket whose changes reach Spindle, by EventBridge or by SNS, and a bucket for models.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

locals {
  address        = "${trimsuffix(var.endpoint, "/")}/events/storage"
  by_eventbridge = var.route == "eventbridge"
  object_keys    = var.prefix == "" ? {} : { object = { key = [{ prefix = var.prefix }] } }
}

resource "aws_s3_bucket" "documents" {
  bucket = var.bucket
}

resource "aws_s3_bucket" "models" {
  bucket = var.models_bucket
}

resource "aws_s3_bucket_public_access_block" "closed" {
  for_each                = { documents = aws_s3_bucket.documents.id, models = aws_s3_bucket.models.id }
  bucket                  = each.value
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# There is one such resource per bucket: a second one anywhere would replace this one's settings.
resource "aws_s3_bucket_notification" "documents" {
  bucket      = aws_s3_bucket.documents.id
  eventbridge = local.by_eventbridge

  dynamic "topic" {
    for_each = aws_sns_topic.changes
    content {
      topic_arn     = topic.value.arn
      events        = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
      filter_prefix = var.prefix
    }
  }

  depends_on = [aws_sns_topic_policy.changes]
}

# What could not be delivered for a day. Spindle finds such changes by itself; this tells that its address is wrong.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "undelivered" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered.arn]
    principals {
      type        = "Service"
      identifiers = [local.by_eventbridge ? "events.amazonaws.com" : "sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = local.by_eventbridge ? aws_cloudwatch_event_rule.changes[*].arn : aws_sns_topic.changes[*].arn
    }
  }
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id
  policy    = data.aws_iam_policy_document.undelivered.json
}
