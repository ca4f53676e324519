//! A controller's session, and the reads of tags on it: as many as fit into one request, one request at a time.

use std::time::Duration;

use tokio::time::Instant;

use crate::enip::message::Malformed;
use crate::enip::status::Refusal;
use crate::enip::tag::{Fragment, Query, Reply, TagRead, decode_multiple};
use crate::source::eip::{Eip, Miss};
use crate::source::transport::{Connect, Tcp};

/// Most bytes of data that are asked for in one request. An unconnected reply carries about 500, and each tag adds its
/// status, type and offset.
const MOST_DATA: usize = 400;
/// Bytes of a reply around the data of one tag.
const AROUND: usize = 8;
/// Most bytes of one request's message.
const MOST_REQUEST: usize = 400;
/// Most fragments of one tag; no assembly needs more.
const MOST_FRAGMENTS: usize = 16;
/// Requests with several tags are tried again after this long, doubling to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// Service not supported: the controller takes one tag at a time.
const NOT_SUPPORTED: u8 = 0x08;
/// Reply, or packet on its way, too large.
const TOO_LARGE: [u8; 4] = [0x06, 0x11, 0x1A, 0x1B];

/// A tag to read, and how many bytes it is expected to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The read.
    pub read: TagRead,
    /// Bytes of data in its reply.
    pub bytes: usize,
}

/// One controller.
#[derive(Debug)]
pub struct Controller<C: Connect = Tcp> {
    eip: Eip<C>,
    /// Several tags in one request were refused: when they are tried again, and the pause after that.
    one_by_one: Option<(Instant, Duration)>,
}

/// What came of reading a tag; whether it came in pieces, which may be of two scans of the controller.
#[derive(Debug)]
pub struct Got {
    /// Data or refusal.
    pub reply: Reply,
    /// It came in pieces.
    pub torn: bool,
}

impl<C: Connect> Controller<C> {
    /// A controller at the end of this reader's route.
    pub fn new(eip: Eip<C>) -> Self {
        Controller { eip, one_by_one: None }
    }

    /// Its session.
    pub fn eip(&mut self) -> &mut Eip<C> {
        &mut self.eip
    }

    /// Reads tags, in order.
    ///
    /// # Errors
    /// [`Miss`]; the session is over.
    pub async fn read(&mut self, wanted: &[Wanted]) -> Result<Vec<Got>, Miss> {
        let mut got = Vec::with_capacity(wanted.len());
        for group in groups(wanted) {
            if group.len() > 1
                && self.one_by_one.is_none_or(|(until, _)| Instant::now() >= until)
                && let Some(replies) = self.several(group).await?
            {
                got.extend(replies);
                continue;
            }
            for wanted in group {
                got.push(self.one(&wanted.read).await?);
            }
        }
        Ok(got)
    }

    /// Reads tags in one request; `None` when the controller does not take that.
    async fn several(&mut self, group: &[Wanted]) -> Result<Option<Vec<Got>>, Miss> {
        let reads: Vec<TagRead> = group.iter().map(|wanted| wanted.read.clone()).collect();
        let reply = self.eip.query(Query::several(&reads)).await?;
        let parts = match decode_multiple(reads.len(), &reply) {
            Ok(Ok(parts)) => parts,
            Ok(Err(refusal)) if refusal.general == NOT_SUPPORTED || TOO_LARGE.contains(&refusal.general) => {
                let pause = self.one_by_one.map_or(AGAIN.0, |(_, pause)| (pause * 2).min(AGAIN.1));
                self.one_by_one = Some((Instant::now() + pause, pause));
                return Ok(None);
            }
            // It concerns all of them: no way to the controller, or no controller.
            Ok(Err(refusal)) => return Ok(Some(reads.iter().map(|_| whole(refusal.clone())).collect())),
            Err(malformed) => return Err(self.eip.strange(malformed, &reply)),
        };
        let mut got = Vec::with_capacity(parts.len());
        for (read, part) in reads.iter().zip(parts) {
            let decoded = TagRead::decode(part);
            got.push(self.complete(read, decoded, &reply).await?);
        }
        self.one_by_one = None;
        Ok(Some(got))
    }

    async fn one(&mut self, read: &TagRead) -> Result<Got, Miss> {
        let reply = self.eip.query(Query::tag(read)).await?;
        let decoded = TagRead::decode(&reply);
        self.complete(read, decoded, &reply).await
    }

    /// Reads the rest of what did not fit into a reply.
    async fn complete(
        &mut self,
        read: &TagRead,
        decoded: Result<Reply, Malformed>,
        reply: &[u8],
    ) -> Result<Got, Miss> {
        let mut data = match decoded {
            Ok(Ok(data)) if data.partial => data,
            Ok(reply) => return Ok(Got { reply, torn: false }),
            Err(malformed) => return Err(self.eip.strange(malformed, reply)),
        };
        for _ in 0..MOST_FRAGMENTS {
            let offset = u32::try_from(data.bytes.len()).unwrap_or(u32::MAX);
            let reply = self.eip.query(Query::fragment(&Fragment { read, offset })).await?;
            match Fragment::decode(&reply) {
                Ok(Ok(more)) if more.kind == data.kind && !more.bytes.is_empty() => {
                    data.bytes.extend(more.bytes);
                    data.partial = more.partial;
                    if !data.partial {
                        return Ok(Got { reply: Ok(data), torn: true });
                    }
                }
                Ok(Ok(_)) => break,
                Ok(Err(refusal)) => return Ok(whole(refusal)),
                Err(malformed) => return Err(self.eip.strange(malformed, &reply)),
            }
        }
        let wrong = Malformed(format!("the pieces of tag {} do not become a whole", read.name));
        Err(self.eip.strange(wrong, reply))
    }
}

fn whole(refusal: Refusal) -> Got {
    Got { reply: Err(refusal), torn: false }
}

/// Splits what is wanted where a request or its reply would become too long.
fn groups(wanted: &[Wanted]) -> Vec<&[Wanted]> {
    let mut groups = Vec::new();
    let (mut begin, mut data, mut request) = (0, 0, 0);
    for (position, each) in wanted.iter().enumerate() {
        let (more_data, more_request) = (each.bytes + AROUND, each.read.name.path().len() + AROUND);
        if position > begin && (data + more_data > MOST_DATA || request + more_request > MOST_REQUEST) {
            groups.push(&wanted[begin..position]);
            (begin, data, request) = (position, 0, 0);
        }
        data += more_data;
        request += more_request;
    }
    if begin < wanted.len() {
        groups.push(&wanted[begin..]);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realtime_and_its_fault_tag_fit_into_one_request_and_everything_into_two() {
        let wanted =
            |name: &str, bytes| Wanted { read: TagRead { name: name.parse().unwrap(), elements: 1 }, bytes };
        let realtime =
            [wanted("PM_Line4_VA:I.Data", 48), wanted("PM_Line4_W:I.Data", 72), wanted("Fault", 1)];
        assert_eq!(groups(&realtime).len(), 1);
        let all: Vec<Wanted> =
            [48, 72, 48, 72, 48, 72, 72, 4].into_iter().map(|bytes| wanted("PM:I.Data", bytes)).collect();
        let shape: Vec<usize> = groups(&all).iter().map(|group| group.len()).collect();
        assert_eq!(shape, [5, 3]);
        assert!(groups(&[]).is_empty());
    }
}
