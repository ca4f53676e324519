variable "name" {
  description = "The thing and the MQTT client id (AWS_IOT_CLIENT_ID of outputs/aws_iot_core.conf)"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,56}$", var.name))
    error_message = "1 to 56 letters, digits, - and _."
  }
}

variable "topic_prefix" {
  description = "The topic tree (MQTT_TOPIC_PREFIX of outputs/aws_iot_core.conf); power/NAME if it is left out"
  type        = string
  default     = null

  # AWS allows seven slashes and 256 bytes; the output adds two levels, the meter and the measurement.
  validation {
    condition     = var.topic_prefix == null || can(regex("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,5}$", var.topic_prefix))
    error_message = "At most six levels of letters, digits, _ . and -."
  }

  validation {
    condition     = var.topic_prefix == null || length(coalesce(var.topic_prefix, "-")) <= 160
    error_message = "At most 160 characters, so that 96 bytes are left for meter and measurement."
  }
}

variable "certificate_signing_request" {
  description = "The text of the request that the collector has made; its key stays there"
  type        = string
}
