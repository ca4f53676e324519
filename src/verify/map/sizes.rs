//! The sizes of the assemblies, and where the elements may stand when one has another size.

use crate::meter::Profile;
use crate::meter::element::REAL_BYTES;

use crate::verify::map::series::{Map, Series};
use crate::verify::reading::observation::Observation;

/// An assembly's size, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Instance.
    pub instance: u16,
    /// What attribute 4 says, in bytes; `None` where it was refused.
    pub reported: Option<u16>,
    /// How many bytes came; `None` where the assembly was not read.
    pub received: Option<usize>,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

/// Compares every assembly of the profile.
pub fn compare(profile: &Profile, observation: &Observation) -> Vec<Size> {
    let compare = |assembly: &crate::meter::Assembly| {
        let instance = assembly.instance;
        let reported = observation.sizes.get(&instance).copied().flatten();
        let received = observation.newest(instance).map(<[u8]>::len);
        let told = reported.map(usize::from);
        let mut wrong = [told, received]
            .into_iter()
            .flatten()
            .find_map(|size| assembly.check_size(size).err())
            .map(|wrong| wrong.to_string());
        if let (Some(told), Some(received), None) = (told, received, &wrong)
            && told != received
        {
            wrong = Some(format!("assembly {instance} says it has {told} bytes and has {received}"));
        }
        Size { instance, reported, received, wrong }
    };
    profile.assemblies.iter().map(compare).collect()
}

/// The maps to begin with: the profile's, and, for each assembly of another size, that with the missing or the
/// additional REALs at each place.
pub fn starts(profile: &Profile, series: &Series, own: &Map, sizes: &[Size]) -> Vec<Map> {
    let mut starts = vec![own.clone()];
    for size in sizes.iter().filter(|size| size.wrong.is_some()) {
        let Some(assembly) = profile.assembly(size.instance) else { continue };
        let (expected, Some(received)) = (usize::from(assembly.min_size() / REAL_BYTES), size.received)
        else {
            continue;
        };
        let received = received / usize::from(REAL_BYTES);
        let Some(first) = series.slots.iter().position(|slot| slot.0 == size.instance) else { continue };
        let inside = |element: usize| {
            let place = profile.elements[series.elements[element]].place?;
            (place.instance == size.instance).then_some(usize::from(place.offset / REAL_BYTES))
        };
        for at in 0..=expected.max(received) {
            let shifted = |n: usize| match received.checked_sub(expected) {
                Some(more) => Some(if n >= at { n + more } else { n }),
                None => {
                    let fewer = expected - received;
                    if (at..at + fewer).contains(&n) {
                        return None;
                    }
                    Some(if n < at { n } else { n - fewer })
                }
            };
            let map = own.iter().enumerate().map(|(element, slot)| match inside(element) {
                Some(n) => shifted(n).filter(|n| *n < received).map(|n| first + n),
                None => *slot,
            });
            starts.push(map.collect());
        }
    }
    starts
}
