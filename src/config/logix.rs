//! Where a controller has a meter's assemblies: options → the route, a tag for each assembly, and how each tag is known
//! to be alive. A tag that could not be told from what a faulted module left is refused here.

use std::collections::BTreeMap;
use std::time::Duration;

use super::choice::Connection;
use super::controller_tags::{FaultTags, Instance};
use super::duration::show;
use super::options::Options;
use crate::enip::tag::Route;
use crate::meter::{Profile, Sizes, Table};
use crate::source::logix::{Alive, Held};

/// How long a live meter's last digits may stand still.
const FROZEN_AFTER: Duration = Duration::from_secs(60);
/// What `frozen_after` may be: a meter's values are not renewed much faster, and an hour is no sign of life.
const FROZEN: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// A controller's tags that cannot be read, or not be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogixError {
    /// No tag at all.
    #[error(
        "connection = \"logix\" needs logix_tags, the controller's tag of each assembly, as in logix_tags = {{ 101 = \
         \"PM_Line4:I.Data\" }}, by hand --tag 101=PM_Line4:I.Data"
    )]
    NoTags,
    /// Tags for a meter that is read in another way.
    #[error(
        "logix_tags belong to connection = \"logix\", and this meter is read by \"{0}\"; keep one of them (by hand: logix://HOST and --tag)"
    )]
    NotLogix(Connection),
    /// An assembly that the profile does not know.
    #[error("logix_tags: the profile has no assembly {0}; the meter has 100 to 108")]
    Unknown(u16),
    /// A fault tag for an assembly without a tag.
    #[error("fault_tag names assembly {0}, of which logix_tags names no tag")]
    Lonely(u16),
    /// Values that may stand still, and nothing that says whether they are alive.
    #[error(
        "assembly {assembly} (table {table}) may stand still for hours, so nothing tells its values from those that a \
         controller keeps of a faulted module: name a fault_tag that is not 0 while the module is faulted, or take {assembly} \
         out of logix_tags"
    )]
    Still {
        /// The assembly.
        assembly: u16,
        /// Its table.
        table: Table,
    },
    /// A time that says nothing.
    #[error(
        "frozen_after = \"{}\" is not between {} and {}",
        show(*.0),
        show(*FROZEN.start()),
        show(*FROZEN.end())
    )]
    Frozen(Duration),
}

/// Where a controller has a meter's assemblies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogixTags {
    /// From the address to the controller.
    pub route: Route,
    /// The tags, by assembly.
    pub held: BTreeMap<u16, Held>,
}

/// The settings of a meter that is read out of a controller; none for one that is not.
///
/// # Errors
/// The option that cannot be.
pub(super) fn resolve(
    options: &Options,
    connection: Connection,
    profile: &Profile,
) -> Result<Option<LogixTags>, LogixError> {
    let tags = options.logix_tags.as_ref().filter(|tags| !tags.is_empty());
    if connection != Connection::Logix {
        return tags.map_or(Ok(None), |_| Err(LogixError::NotLogix(connection)));
    }
    let tags = tags.ok_or(LogixError::NoTags)?;
    let frozen_after = options.frozen_after.unwrap_or(FROZEN_AFTER);
    if !FROZEN.contains(&frozen_after) {
        return Err(LogixError::Frozen(frozen_after));
    }
    if let Some(FaultTags::Each(faults)) = &options.fault_tag
        && let Some(lonely) = faults.keys().find(|assembly| !tags.contains_key(assembly))
    {
        return Err(LogixError::Lonely(lonely.0));
    }
    let legal = Sizes::of(profile);
    let held = tags.iter().map(|(Instance(assembly), tag)| {
        let (assembly, tag) = (*assembly, tag.clone());
        let table = profile.assembly(assembly).ok_or(LogixError::Unknown(assembly))?.table;
        let alive = match (options.fault_tag.as_ref().and_then(|faults| faults.of(assembly)), table) {
            (Some(fault), _) => Alive::FaultTag(fault.clone()),
            (None, Table::Realtime) => Alive::Moves(frozen_after),
            (None, table) => return Err(LogixError::Still { assembly, table }),
        };
        Ok((assembly, Held { tag, sizes: legal.all(assembly), alive }))
    });
    let held = held.collect::<Result<_, _>>()?;
    Ok(Some(LogixTags { route: options.route.clone().unwrap_or_default(), held }))
}
