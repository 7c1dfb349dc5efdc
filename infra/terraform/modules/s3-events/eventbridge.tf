# S3 tells EventBridge, and EventBridge posts to Spindle with its secret as the header.

resource "aws_cloudwatch_event_connection" "spindle" {
  count              = local.by_eventbridge ? 1 : 0
  name               = var.name
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "Authorization"
      value = "Bearer ${var.secret}"
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "spindle" {
  count                            = local.by_eventbridge ? 1 : 0
  name                             = var.name
  connection_arn                   = aws_cloudwatch_event_connection.spindle[0].arn
  invocation_endpoint              = local.address
  http_method                      = "POST"
  invocation_rate_limit_per_second = var.deliveries_per_second
}

resource "aws_cloudwatch_event_rule" "changes" {
  count = local.by_eventbridge ? 1 : 0
  name  = var.name
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created", "Object Deleted", "Object Restore Completed"]
    detail      = merge({ bucket = { name = [aws_s3_bucket.documents.bucket] } }, local.object_keys)
  })
}

resource "aws_cloudwatch_event_target" "spindle" {
  count    = local.by_eventbridge ? 1 : 0
  rule     = aws_cloudwatch_event_rule.changes[0].name
  arn      = aws_cloudwatch_event_api_destination.spindle[0].arn
  role_arn = aws_iam_role.deliver[0].arn
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }
  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

data "aws_iam_policy_document" "deliver_as" {
  count = local.by_eventbridge ? 1 : 0
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.changes[0].arn]
    }
  }
}

data "aws_iam_policy_document" "deliver" {
  count = local.by_eventbridge ? 1 : 0
  statement {
    actions   = ["events:InvokeApiDestination"]
    resources = [aws_cloudwatch_event_api_destination.spindle[0].arn]
  }
}

resource "aws_iam_role" "deliver" {
  count              = local.by_eventbridge ? 1 : 0
  name               = "${var.name}-deliver"
  assume_role_policy = data.aws_iam_policy_document.deliver_as[0].json
}

resource "aws_iam_role_policy" "deliver" {
  count  = local.by_eventbridge ? 1 : 0
  role   = aws_iam_role.deliver[0].id
  policy = data.aws_iam_policy_document.deliver[0].json
}
