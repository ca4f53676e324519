//! The Identity object's attributes as Get_Attributes_All returns them.
//!
//! Little-endian: vendor ID UINT, device type UINT, product code UINT, revision major USINT and minor
//! USINT, status WORD, serial number UDINT, product name SHORT_STRING (length USINT, characters); more
//! attributes may follow. Source: 1420-UM001D p73-76, CIP Vol. 1 chapter 5.

use crate::meter::identity::Identity;

const VENDOR: usize = 0;
const DEVICE_TYPE: usize = 2;
const PRODUCT_CODE: usize = 4;
const REVISION: usize = 6;
const STATUS: usize = 8;
const SERIAL: usize = 10;
const NAME_LENGTH: usize = 14;
const NAME: usize = 15;

/// Decodes the attributes; `None` when they are shorter than they say.
pub fn decode(data: &[u8]) -> Option<Identity> {
    let word = |at: usize| Some(u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?]));
    let serial = data.get(SERIAL..SERIAL + 4)?;
    let length = usize::from(*data.get(NAME_LENGTH)?);
    let name = data.get(NAME..NAME + length)?;
    Some(Identity {
        vendor: word(VENDOR)?,
        device_type: word(DEVICE_TYPE)?,
        product_code: word(PRODUCT_CODE)?,
        revision: (*data.get(REVISION)?, *data.get(REVISION + 1)?),
        status: word(STATUS)?,
        serial: u32::from_le_bytes([serial[0], serial[1], serial[2], serial[3]]),
        // Latin-1 by the specification; nothing but printable characters goes into the data.
        product_name: name.iter().map(|byte| *byte as char).filter(|c| !c.is_control()).collect(),
    })
}

/// Encodes the attributes, for the simulator.
pub fn encode(identity: &Identity) -> Vec<u8> {
    let latin = |letter: char| u8::try_from(u32::from(letter)).unwrap_or(b'?');
    let name: Vec<u8> = identity.product_name.chars().map(latin).take(32).collect();
    let mut data = Vec::with_capacity(NAME + name.len());
    data.extend(identity.vendor.to_le_bytes());
    data.extend(identity.device_type.to_le_bytes());
    data.extend(identity.product_code.to_le_bytes());
    data.extend([identity.revision.0, identity.revision.1]);
    data.extend(identity.status.to_le_bytes());
    data.extend(identity.serial.to_le_bytes());
    data.push(name.len() as u8);
    data.extend(name);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: [u8; 31] = [
        0x01, 0x00, 0x92, 0x00, 0x07, 0x00, 0x04, 0x0B, 0x60, 0x00, 0x80, 0x4B, 0x07, 0x38, 0x10, b'P', b'o',
        b'w', b'e', b'r', b'M', b'o', b'n', b'i', b't', b'o', b'r', b' ', b'5', b'0', b'0',
    ];

    #[test]
    fn a_meters_identity_decodes_and_encodes_to_the_same_bytes() {
        let identity = decode(&GOLDEN).unwrap();
        assert_eq!((identity.vendor, identity.device_type, identity.product_code), (1, 0x92, 7));
        assert_eq!((identity.revision, identity.serial), ((4, 11), 940_002_176));
        assert_eq!(identity.product_name, "PowerMonitor 500");
        assert_eq!(encode(&identity), GOLDEN);
    }

    #[test]
    fn a_truncated_identity_is_none() {
        assert!((0..GOLDEN.len()).all(|length| decode(&GOLDEN[..length]).is_none()));
    }
}
