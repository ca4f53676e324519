//! The reply to a Forward Open: what was agreed, where frames come from, or why not.

use telegraf_pm500::enip::forward_open::{
    FORWARD_OPEN, Opened, SOCKADDR_O2T_ITEM, SOCKADDR_T2O_ITEM, encode_sockaddr, sockaddr,
};
use telegraf_pm500::enip::message::decode_reply;
use telegraf_pm500::enip::refusal::explain;

/// What is understood can be said again in the same bytes.
pub(crate) fn run(data: &[u8]) {
    for item in [SOCKADDR_O2T_ITEM, SOCKADDR_T2O_ITEM] {
        if let Some(address) = sockaddr(data, item) {
            let encoded = encode_sockaddr(address);
            assert!(data.windows(encoded.len() - 8).any(|bytes| bytes == &encoded[..encoded.len() - 8]));
        }
    }
    match decode_reply(FORWARD_OPEN, data) {
        Ok(Ok(reply)) => {
            if let Ok(opened) = Opened::decode(&reply) {
                assert_eq!(Opened::decode(&opened.encode()), Ok(opened));
            }
        }
        Ok(Err(refusal)) => assert!(!explain(&refusal).0.is_empty()),
        Err(_) => {}
    }
}
