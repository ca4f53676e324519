output "certificate_pem" {
  description = "For /etc/telegraf/aws-iot/certificate.pem.crt"
  value       = aws_iot_certificate.collector.certificate_pem
  sensitive   = true
}

output "environment" {
  description = "For /etc/default/telegraf"
  value       = <<-EOT
    AWS_IOT_ENDPOINT=${data.aws_iot_endpoint.data.endpoint_address}
    AWS_IOT_CLIENT_ID=${var.name}
    MQTT_TOPIC_PREFIX=${local.topic_prefix}
  EOT
}

output "bucket" {
  description = "Where the values are, below values/"
  value       = aws_s3_bucket.values.id
}
