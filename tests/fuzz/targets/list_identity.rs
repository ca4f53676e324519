//! What may answer a List Identity on UDP 44818: every host of the network, not meters alone.

use telegraf_pm500::enip::list_identity::{decode, state};

const MARK: [u8; 6] = *b"marked";

/// Few devices, each with a name that can be printed and a state that has a word.
pub(crate) fn run(data: &[u8]) {
    match decode(data, MARK) {
        Ok(devices) => {
            assert!(devices.len() * 20 <= data.len());
            for device in devices {
                assert!(!device.identity.product_name.contains(char::is_control));
                assert!(!state(device.state).is_empty());
            }
        }
        Err(malformed) => assert!(!malformed.0.is_empty()),
    }
}
