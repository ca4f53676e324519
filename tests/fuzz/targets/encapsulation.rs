//! What a meter sends on TCP 44818, as a stream of packets.

use telegraf_pm500::enip::packet::{self, HEADER_LEN, MAX_DATA};

use super::runtime::block_on;

/// Every packet is bounded, and is the bytes it came from.
pub(crate) fn run(data: &[u8]) {
    let mut stream = data;
    while let Ok(packet) = block_on(packet::receive(&mut stream)) {
        let length = HEADER_LEN + packet.data.len();
        assert!(packet.data.len() <= MAX_DATA && packet.data.len() == usize::from(packet.header.length));
        let begin = data.len() - stream.len() - length;
        assert_eq!(packet.data, data[begin + HEADER_LEN..begin + length]);
        let header = packet.header;
        // The options are not ours to send.
        if header.options == 0 {
            let (command, session) = (header.command, header.session_handle);
            let again = packet::encode(command, session, header.sender_context, header.status, &packet.data);
            assert_eq!(again[..], data[begin..begin + length]);
        }
        let _ = telegraf_pm500::enip::status::encapsulation_status(header.status);
    }
}
