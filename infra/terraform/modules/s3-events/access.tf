# What Spindle itself may do, and a key for it.

data "aws_iam_policy_document" "spindle" {
  statement {
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [aws_s3_bucket.documents.arn, aws_s3_bucket.models.arn]
  }
  statement {
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [
      "${aws_s3_bucket.documents.arn}/*",
      "${aws_s3_bucket.models.arn}/*",
    ]
  }
}

resource "aws_iam_user" "spindle" {
  name = var.name
}

resource "aws_iam_user_policy" "spindle" {
  user   = aws_iam_user.spindle.name
  policy = data.aws_iam_policy_document.spindle.json
}

resource "aws_iam_access_key" "spindle" {
  user = aws_iam_user.spindle.name
}
