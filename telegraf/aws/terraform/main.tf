# AWS IoT Core for one collector of PowerMonitor 500 meters: a thing, a certificate from a signing request, a policy for
# one client id and one topic tree, and a rule that stores what arrives in an S3 bucket, as lines of JSON.

terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_iot_endpoint" "data" {
  endpoint_type = "iot:Data-ATS"
}

locals {
  topic_prefix = coalesce(var.topic_prefix, "power/${var.name}")
  account      = data.aws_caller_identity.current.account_id
  iot          = "arn:${data.aws_partition.current.partition}:iot:${data.aws_region.current.name}:${local.account}"
}

resource "aws_iot_thing" "collector" {
  name = var.name
}

resource "aws_iot_certificate" "collector" {
  csr    = var.certificate_signing_request
  active = true
}

resource "aws_iot_policy" "publish" {
  name = "${var.name}-publish"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "OneClient"
        Effect   = "Allow"
        Action   = "iot:Connect"
        Resource = "${local.iot}:client/${var.name}"
      },
      {
        Sid      = "OneTopicTree"
        Effect   = "Allow"
        Action   = "iot:Publish"
        Resource = "${local.iot}:topic/${local.topic_prefix}/*"
      },
    ]
  })
}

resource "aws_iot_policy_attachment" "publish" {
  policy = aws_iot_policy.publish.name
  target = aws_iot_certificate.collector.arn
}

resource "aws_iot_thing_principal_attachment" "collector" {
  thing     = aws_iot_thing.collector.name
  principal = aws_iot_certificate.collector.arn
}
