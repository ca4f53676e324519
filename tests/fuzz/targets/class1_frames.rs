//! Datagrams on UDP 2222. The first byte of each says how long the datagram behind it is, times two.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use telegraf_pm500::enip::class1::Frame;
use telegraf_pm500::enip::stream::{Agreed, Stream};

const CONNECTION: u32 = 0x4433_2211;
const SIZE: usize = 8;
const METER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 50);

/// Every frame counts once, and only a frame of our connection, from the meter and of the right length, is a reading.
pub(crate) fn run(data: &[u8]) {
    let now = Instant::now();
    let agreed = Agreed {
        connection: CONNECTION,
        source: METER,
        size: SIZE,
        api: Duration::from_millis(125),
        watchdog: Duration::from_secs(2),
        asked: now,
    };
    let stream = Stream::new(agreed, true, now);
    let (mut rest, mut ours, mut good) = (data, 0, Vec::new());
    while let Some((length, tail)) = rest.split_first() {
        let (datagram, tail) = tail.split_at((usize::from(*length) * 2).min(tail.len()));
        rest = tail;
        let Some(frame) = Frame::decode(datagram) else { continue };
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(again[..], datagram[..again.len()]);
        if stream.agreed().connection == frame.connection {
            ours += 1;
            if frame.data.len() == SIZE {
                good.push(frame.data.to_vec());
            }
            stream.accept(&frame, METER, (now, SystemTime::now()));
        }
    }
    let counts = stream.counts();
    assert_eq!(counts.received + counts.dropped, ours);
    if let Some(newest) = stream.newest(now) {
        assert!(good.contains(&newest.data) && counts.received > 0);
    }
    assert!(stream.take_samples().len() as u64 <= counts.received);
}
