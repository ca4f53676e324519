//! Answers → devices, each once.

use std::net::Ipv4Addr;

use crate::enip::list_identity::{Listed, state};
use crate::meter::Profile;
use crate::meter::identity::Identity;

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where its answer came from.
    pub address: Ipv4Addr,
    /// The address that it says it has, if that is another.
    pub says: Option<Ipv4Addr>,
    /// What it is.
    pub identity: Identity,
    /// The catalog number, if the profile knows it.
    pub catalog: Option<String>,
    /// Its state in words.
    pub state: &'static str,
    /// Whether the profile was made for it.
    pub is_meter: bool,
}

/// The devices that answered, in the order of their addresses.
pub fn devices(profile: &Profile, answers: &[(Ipv4Addr, Listed)]) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for (address, listed) in answers {
        let identity = &listed.identity;
        let again = |known: &Device| known.address == *address && known.identity == *identity;
        if devices.iter().any(again) {
            continue;
        }
        let is_meter = identity.mismatch(&profile.identity).is_none();
        let catalog = profile.catalog(identity.product_code).filter(|_| is_meter);
        let says = *listed.socket.ip();
        devices.push(Device {
            address: *address,
            says: (says != *address && !says.is_unspecified()).then_some(says),
            identity: identity.clone(),
            catalog: catalog.map(str::to_owned),
            state: state(listed.state),
            is_meter,
        });
    }
    devices.sort_by_key(|device| (device.address, device.identity.serial));
    devices
}
