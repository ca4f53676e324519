//! Status codes in words: CIP general status and encapsulation status.

use std::fmt;

/// A CIP service that the device refused: a value, not a failure of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// General status, CIP Vol. 1 appendix B.
    pub general: u8,
    /// Additional status words.
    pub extended: Vec<u16>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CIP status 0x{:02X}, {}", self.general, general_status(self.general))?;
        for word in &self.extended {
            write!(f, ", extended 0x{word:04X}")?;
        }
        Ok(())
    }
}

/// The general status in words.
pub fn general_status(code: u8) -> &'static str {
    match code {
        0x00 => "success",
        0x01 => "connection failure",
        0x02 => "resource unavailable: the device is busy or out of connections",
        0x03 => "invalid parameter value",
        0x04 => "path segment error: the device does not understand the path",
        0x05 => "path destination unknown: there is no such object or assembly",
        0x06 => "partial transfer",
        0x07 => "connection lost",
        0x08 => "service not supported",
        0x09 => "invalid attribute value",
        0x0A => "attribute list error",
        0x0B => "already in the requested state",
        0x0C => "object state conflict",
        0x0D => "object already exists",
        0x0E => "attribute not settable",
        0x0F => "privilege violation",
        0x10 => "device state conflict: the device cannot answer in its present state",
        0x11 => "reply data too large",
        0x12 => "fragmentation of a primitive value",
        0x13 => "not enough data",
        0x14 => "attribute not supported",
        0x15 => "too much data",
        0x16 => "object does not exist",
        0x18 => "no stored attribute data",
        0x19 => "store operation failure",
        0x1A => "routing failure: request packet too large",
        0x1B => "routing failure: response packet too large",
        0x1C => "missing attribute list entry",
        0x1D => "invalid attribute value list",
        0x1E => "embedded service error",
        0x1F => "vendor specific error",
        0x20 => "invalid parameter",
        0x25 => "key failure in path",
        0x26 => "path size invalid",
        0x27 => "unexpected attribute in list",
        0x28 => "invalid member ID",
        0x29 => "member not settable",
        _ => "a status without a published meaning",
    }
}

/// The encapsulation status in words. Source: EtherNet/IP specification, table 2-3.3.
pub fn encapsulation_status(code: u32) -> &'static str {
    match code {
        0x0000 => "success",
        0x0001 => "the device does not support the encapsulation command",
        0x0002 => "the device has no memory left for the request; it may serve too many clients",
        0x0003 => "the device found the data malformed",
        0x0064 => "the device does not know our session; it may have restarted",
        0x0065 => "the device found the length invalid",
        0x0069 => "the device does not support this version of the encapsulation protocol",
        _ => "a status without a published meaning",
    }
}
