//! What a controller answers: reads of a tag, of the rest of one, of several, and of its identity along a route.

use telegraf_pm500::enip::tag::{Fragment, Query, Route, TagName, TagRead, decode_multiple, explain};

/// Whatever comes, no more data comes out than went in, and every refusal has its sentence.
pub(crate) fn run(data: &[u8]) {
    let (Ok(tag), Ok(route)) = ("PM:I.Data".parse::<TagName>(), "1,0".parse::<Route>()) else { return };
    for decode in [TagRead::decode, Fragment::decode] {
        match decode(data) {
            Ok(Ok(read)) => assert!(read.bytes.len() < data.len()),
            Ok(Err(refusal)) => assert!(explain(&refusal, &tag, &route).1.contains("CIP status")),
            Err(malformed) => assert!(!malformed.0.is_empty()),
        }
    }
    for count in [1, 2, 8] {
        if let Ok(Ok(parts)) = decode_multiple(count, data) {
            assert_eq!(parts.len(), count);
            for part in parts {
                assert!(part.len() < data.len());
                let _ = TagRead::decode(part);
            }
        }
    }
    let _ = Query::identity_reply(data);
}
