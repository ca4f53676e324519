//! The identity a device reports over CIP, and whether it is the device a profile was made for.

/// Which devices a profile was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRule {
    /// CIP vendor ID.
    pub vendor: u16,
    /// CIP device type.
    pub device_type: u16,
    /// Product codes with their catalog numbers.
    pub products: Vec<(u16, String)>,
}

/// What the Identity object (class 1, instance 1) says, attributes 1 to 7. Source: 1420-UM001D p73-76.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Attribute 1: vendor ID; 1 is Rockwell Automation.
    pub vendor: u16,
    /// Attribute 2: device type.
    pub device_type: u16,
    /// Attribute 3: product code.
    pub product_code: u16,
    /// Attribute 4: major and minor revision.
    pub revision: (u8, u8),
    /// Attribute 5: status word.
    pub status: u16,
    /// Attribute 6: serial number.
    pub serial: u32,
    /// Attribute 7: product name.
    pub product_name: String,
}

impl Identity {
    /// Says what is wrong if this is not a device the profile was made for.
    pub fn mismatch(&self, rule: &IdentityRule) -> Option<String> {
        let known = rule.products.iter().any(|(code, _)| *code == self.product_code);
        let kind = self.vendor == rule.vendor && self.device_type == rule.device_type;
        if kind && known {
            return None;
        }
        let wrong =
            if kind { "whose product code this profile does not know" } else { "not a PowerMonitor 500" };
        Some(format!(
            "found \"{}\" (vendor {}, device type 0x{:02X}, product code {}), {wrong}",
            self.product_name, self.vendor, self.device_type, self.product_code
        ))
    }
}
