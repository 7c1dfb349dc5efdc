# S3 tells a topic, whose messages are signed. Spindle confirms the subscription by itself, once it knows the topic:
# spindle source add NAME --kind sns --topic ARN

resource "aws_sns_topic" "changes" {
  count             = local.by_eventbridge ? 0 : 1
  name              = var.name
  signature_version = 2
}

data "aws_iam_policy_document" "publish" {
  count = local.by_eventbridge ? 0 : 1
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.changes[0].arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_s3_bucket.documents.arn]
    }
  }
}

resource "aws_sns_topic_policy" "changes" {
  count  = local.by_eventbridge ? 0 : 1
  arn    = aws_sns_topic.changes[0].arn
  policy = data.aws_iam_policy_document.publish[0].json
}

resource "aws_sns_topic_subscription" "spindle" {
  count                  = local.by_eventbridge ? 0 : 1
  topic_arn              = aws_sns_topic.changes[0].arn
  protocol               = "https"
  endpoint               = "${local.address}?secret=${var.secret}"
  endpoint_auto_confirms = true
  redrive_policy         = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })
  depends_on             = [aws_sqs_queue_policy.undelivered]
}
