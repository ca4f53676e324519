# What arrives is stored: a rule hands it to a stream, which writes a file to the bucket now and then. A file per message
# would cost more than all else together.

resource "aws_s3_bucket" "values" {
  bucket_prefix = "pm500-"

  # Values outlive what made the bucket.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "values" {
  bucket                  = aws_s3_bucket.values.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_kinesis_firehose_delivery_stream" "values" {
  name        = "${var.name}-values"
  destination = "extended_s3"

  extended_s3_configuration {
    bucket_arn          = aws_s3_bucket.values.arn
    role_arn            = aws_iam_role.delivery.arn
    prefix              = "values/"
    error_output_prefix = "undelivered/"
    compression_format  = "GZIP"
    buffering_interval  = 900
    buffering_size      = 64
  }

  depends_on = [aws_iam_role_policy.delivery]
}

resource "aws_iam_role" "delivery" {
  name_prefix = "pm500-delivery-"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "firehose.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "delivery" {
  name = "write-to-the-bucket"
  role = aws_iam_role.delivery.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TheBucket"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = aws_s3_bucket.values.arn
      },
      {
        Sid      = "ItsObjects"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource = "${aws_s3_bucket.values.arn}/*"
      },
    ]
  })
}

resource "aws_iot_topic_rule" "store" {
  # Names of rules have no "-".
  name        = "${replace(var.name, "-", "_")}_store"
  description = "Stores what ${var.name} publishes"
  enabled     = true
  sql         = "SELECT *, topic() AS topic FROM '${local.topic_prefix}/#'"
  sql_version = "2016-03-23"

  firehose {
    delivery_stream_name = aws_kinesis_firehose_delivery_stream.values.name
    role_arn             = aws_iam_role.rule.arn
    separator            = "\n"
  }

  # What the stream did not take is not lost.
  error_action {
    s3 {
      bucket_name = aws_s3_bucket.values.id
      key         = "errors/$${topic()}/$${timestamp()}-$${newuuid()}.json"
      role_arn    = aws_iam_role.rule.arn
    }
  }

  depends_on = [aws_iam_role_policy.rule]
}

resource "aws_iam_role" "rule" {
  name_prefix = "pm500-rule-"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "rule" {
  name = "pass-on"
  role = aws_iam_role.rule.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TheStream"
        Effect   = "Allow"
        Action   = "firehose:PutRecord"
        Resource = aws_kinesis_firehose_delivery_stream.values.arn
      },
      {
        Sid      = "WhatFailed"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "${aws_s3_bucket.values.arn}/errors/*"
      },
    ]
  })
}
