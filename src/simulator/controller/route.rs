//! Unconnected Send: a message for another module, along a route.
//!
//! Priority and ticks USINT each, message size UINT, message, a pad byte after an odd size, route size in words
//! USINT, reserved USINT, route: port segments. Source: CIP Vol. 1, table 3-5.25.

/// Backplane.
const BACKPLANE: u8 = 1;

/// A message and its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Routed<'a> {
    pub(super) message: &'a [u8],
    pub(super) route: &'a [u8],
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// To the controller.
    Here,
    /// Through a port that there is not.
    NoPort,
    /// To a slot without a module that answers.
    NoModule,
}

impl<'a> Routed<'a> {
    /// Takes the request's data apart; `None` when it is too short.
    pub(super) fn decode(data: &'a [u8]) -> Option<Routed<'a>> {
        let [_, _, low, high, rest @ ..] = data else { return None };
        let size = usize::from(u16::from_le_bytes([*low, *high]));
        let (message, rest) = rest.split_at_checked(size)?;
        let rest = rest.get(size % 2..)?;
        let [words, _, route @ ..] = rest else { return None };
        Some(Routed { message, route: route.get(..2 * usize::from(*words))? })
    }
}

/// Where a route leads from the port that was reached.
pub(super) fn leads(route: &[u8], slot: u8, bridge: bool) -> Leads {
    match route {
        // Nowhere further: the port itself answers, which only a controller with its own port does.
        [] if !bridge => Leads::Here,
        [BACKPLANE, to] if *to == slot => Leads::Here,
        [BACKPLANE, _] | [] => Leads::NoModule,
        _ => Leads::NoPort,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_leads_to_the_controllers_slot_or_nowhere() {
        let data = [7, 249, 3, 0, 0x4C, 9, 9, 0, 1, 0, 1, 3];
        let routed = Routed::decode(&data).unwrap();
        assert_eq!(routed, Routed { message: &[0x4C, 9, 9], route: &[1, 3] });
        assert_eq!(leads(routed.route, 3, true), Leads::Here);
        assert_eq!(leads(routed.route, 0, true), Leads::NoModule);
        assert_eq!(leads(&[2, 0], 0, true), Leads::NoPort);
        assert_eq!((leads(&[], 0, false), leads(&[], 0, true)), (Leads::Here, Leads::NoModule));
        assert!((0..data.len()).all(|length| Routed::decode(&data[..length]).is_none()));
    }
}
