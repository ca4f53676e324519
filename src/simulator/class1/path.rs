//! The connection path of a Forward Open in the shapes that originators send.
//!
//! Perhaps an electronic key (`34 04`, eight bytes), then class 4, then configuration instance, consumed and
//! produced connection point. Points come as connection point (`2C`) or as instance (`24`) segments, of 8 or of 16
//! bits (`2D 00`, `25 00`); a scanner without configuration leaves it out. An empty data segment (`80 00`)
//! may follow. Source: CIP Vol. 1 appendix C.

use super::refusal::{
    CONFIGURATION_SIZE, INVALID_SEGMENT, WRONG_PRODUCT, WRONG_REVISION, WRONG_TYPE, refusal,
};
use crate::enip::message::ASSEMBLY_CLASS;
use crate::enip::status::Refusal;
use crate::meter::identity::Identity;

/// Where a connection leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Points {
    /// Configuration instance, if there is one.
    pub(super) configuration: Option<u16>,
    /// Where the originator's data goes to.
    pub(super) consumed: u16,
    /// What is produced.
    pub(super) produced: u16,
}

impl Points {
    /// Reads a path and checks its key against the meter's identity.
    ///
    /// # Errors
    /// The refusal for a key of another device, or for a path that leads to no assembly.
    pub(super) fn parse(path: &[u8], identity: &Identity) -> Result<Points, Refusal> {
        let path = match path {
            [0x34, 0x04, key @ ..] => {
                let (key, rest) = key.split_first_chunk().ok_or_else(|| refusal(INVALID_SEGMENT))?;
                check_key(key, identity)?;
                rest
            }
            path => path,
        };
        let class = (0x20, u16::from(ASSEMBLY_CLASS));
        let (configuration, consumed, produced) = match segments(path)?[..] {
            [first, (0x24 | 0x2C, configuration), (0x24 | 0x2C, consumed), (0x24 | 0x2C, produced)]
                if first == class =>
            {
                (Some(configuration), consumed, produced)
            }
            [first, (0x2C, consumed), (0x2C, produced)] if first == class => (None, consumed, produced),
            _ => return Err(refusal(INVALID_SEGMENT)),
        };
        Ok(Points { configuration, consumed, produced })
    }
}

/// Logical segments as (kind, value).
fn segments(path: &[u8]) -> Result<Vec<(u8, u16)>, Refusal> {
    let (mut found, mut rest) = (Vec::new(), path);
    loop {
        rest = match *rest {
            [] | [0x80, 0] => return Ok(found),
            [0x80, ..] => return Err(refusal(CONFIGURATION_SIZE)),
            [kind @ (0x20 | 0x24 | 0x2C), value, ref tail @ ..] => {
                found.push((kind, u16::from(value)));
                tail
            }
            [kind @ (0x21 | 0x25 | 0x2D), 0, low, high, ref tail @ ..] => {
                found.push((kind & !1, u16::from_le_bytes([low, high])));
                tail
            }
            _ => return Err(refusal(INVALID_SEGMENT)),
        };
    }
}

/// Vendor UINT, device type UINT, product code UINT, major revision with the compatibility bit USINT, minor
/// revision USINT. Zero fits everything.
fn check_key(key: &[u8; 8], identity: &Identity) -> Result<(), Refusal> {
    let [v0, v1, t0, t1, c0, c1, major, minor] = *key;
    let fits = |wanted: [u8; 2], has: u16| [0, has].contains(&u16::from_le_bytes(wanted));
    if !fits([v0, v1], identity.vendor) || !fits([c0, c1], identity.product_code) {
        return Err(refusal(WRONG_PRODUCT));
    }
    if !fits([t0, t1], identity.device_type) {
        return Err(refusal(WRONG_TYPE));
    }
    let (has_major, has_minor) = identity.revision;
    let revision = match (major & 0x80 != 0, major & 0x7F) {
        (_, 0) => true,
        // Compatible: the same major revision, and no newer one than we are.
        (true, major) => major == has_major && minor <= has_minor,
        (false, major) => major == has_major && [0, has_minor].contains(&minor),
    };
    if revision { Ok(()) } else { Err(refusal(WRONG_REVISION)) }
}
