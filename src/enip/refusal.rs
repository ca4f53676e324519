//! Why a meter refuses a class 1 connection, and what to do next: each extended status of a Forward Open
//! has its own sentence and its own next step.
//!
//! Most codes are from CIP Vol. 1 table 3-5.33; the order of suggested RPIs behind 0x0112 was seen on a
//! conforming open adapter, which may also leave them out.

use std::time::Duration;

use super::status::Refusal;

/// What to try next, after the sentence has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NextStep {
    /// Another T→O RPI; the one the meter suggests, if it does.
    OtherRpi(Option<Duration>),
    /// Nobody owns a multicast connection now: look again after a minute, then less often.
    WaitForOwner,
    /// The meter has no connection left: look again after ten minutes.
    WaitForRoom,
    /// Once with a variable connection size.
    Variable,
    /// Once with each other priority.
    OtherPriority,
    /// Once with change-of-state production.
    ChangeOfState,
    /// Something on our own side is in the way: look again after ten minutes.
    Local,
    /// Look again like for an owner: the reason may pass.
    Later,
    /// The path is not the meter's: another configuration or heartbeat instance, which a probe may try.
    OtherPath,
    /// What is in the way does not pass soon: look again after an hour.
    Stop,
}

/// One extended status: what it means for a listener, and what to do.
fn meaning(code: u16) -> (&'static str, NextStep) {
    use NextStep::{
        ChangeOfState, Later, OtherPath, OtherPriority, OtherRpi, Stop, Variable, WaitForOwner, WaitForRoom,
    };
    match code {
        0x0100 => ("a connection with our serial numbers is still open on the meter", Later),
        0x0103 => ("the meter does not support transport class 1 with this trigger", Stop),
        0x0106 => ("another originator owns the connection and shares it with nobody", Later),
        0x0107 => ("the meter knows no such connection", Later),
        0x0108 => ("the meter finds a connection parameter invalid", Stop),
        0x0109 => (
            "the meter finds the connection size invalid; the profile's size of the assembly may be wrong",
            Stop,
        ),
        0x0111 => ("the meter does not support this packet interval", OtherRpi(None)),
        0x0112 => ("the owner runs at another packet interval", OtherRpi(None)),
        0x0113 => ("the meter has no connection left", WaitForRoom),
        0x0114 => ("the meter finds vendor or product code of the key wrong", Stop),
        0x0115 => ("the meter finds the device type of the key wrong", Stop),
        0x0116 => ("the meter finds the revision of the key wrong", Stop),
        0x0117 => {
            ("the meter does not know the produced or consumed path; try another config_instance", OtherPath)
        }
        0x0118 => {
            ("the meter does not accept the configuration path; try another config_instance", OtherPath)
        }
        0x0119 => (
            "no PLC owns a multicast connection to this assembly now; if one does own it, clear \"Use Unicast \
             Connection over EtherNet/IP\" in its module properties",
            WaitForOwner,
        ),
        0x011A => ("the assembly has no connection left", WaitForRoom),
        0x0123 => ("the meter does not accept a point-to-point heartbeat", Stop),
        0x0124 => ("the meter does not send this assembly by multicast", Stop),
        0x0127 => ("the meter expects another heartbeat size", Stop),
        0x0128 => ("the meter sends another size than the profile expects, so it is not decoded", Stop),
        0x0129 => {
            ("the meter does not accept the configuration path; try another config_instance", OtherPath)
        }
        0x012A => ("the meter does not know the heartbeat instance", OtherPath),
        0x012B => ("the meter does not know the assembly", OtherPath),
        0x012F => ("the paths do not fit each other; try another config_instance", OtherPath),
        0x0133 => ("the meter does not accept the timeout multiplier", Stop),
        0x0134 => ("the owner's connection has another size, which cannot be matched", Stop),
        0x0135 => ("the owner's connection has a variable size", Variable),
        0x0136 => ("the owner's connection has another priority", OtherPriority),
        0x0137 => ("the owner's connection has another transport class, which cannot be matched", Stop),
        0x0138 => ("the owner's connection is produced on change of state", ChangeOfState),
        0x0139 => ("the owner's connection has a production inhibit time, which cannot be matched", Stop),
        0x0203 => ("the connection timed out", Later),
        0x0204 => ("the meter did not answer the open in time", Later),
        0x0301 => ("the meter has no buffer memory left", WaitForRoom),
        0x0302 => ("the meter has no network bandwidth left", WaitForRoom),
        0x0315 => {
            ("the meter does not understand the connection path; try another config_instance", OtherPath)
        }
        0x031C => ("the meter gives no reason", Later),
        0x0813 => (
            "multicast does not cross subnets (its time to live is 1); read explicitly or listen from the \
             meter's own subnet",
            Stop,
        ),
        _ => ("the meter gives a reason without a published meaning", Later),
    }
}

/// The sentence and the next step for a refused Forward Open.
pub fn explain(refusal: &Refusal) -> (String, NextStep) {
    let Some(&code) = refusal.extended.first().filter(|_| refusal.general == 0x01) else {
        return match refusal.general {
            0x04 | 0x05 => (format!("{refusal}; try another config_instance"), NextStep::OtherPath),
            0x02 => (refusal.to_string(), NextStep::WaitForRoom),
            0x08 => ("the meter offers no class 1 connections".to_owned(), NextStep::Stop),
            _ => (refusal.to_string(), NextStep::Later),
        };
    };
    let (sentence, step) = meaning(code);
    let mut sentence = format!("{sentence} (status 0x{code:04X})");
    let step = match (code, step) {
        (0x0112, _) => NextStep::OtherRpi(suggested_rpi(&refusal.extended[1..])),
        (0x0127 | 0x0128, step) => {
            if let Some(size) = refusal.extended.get(1) {
                sentence.push_str(&format!("; the right connection size is {size} bytes"));
            }
            step
        }
        (_, step) => step,
    };
    (sentence, step)
}

/// Behind the code word: a byte each for O→T and T→O RPI type, O→T RPI UDINT µs, T→O RPI UDINT µs.
fn suggested_rpi(words: &[u16]) -> Option<Duration> {
    let (low, high) = (u64::from(*words.get(3)?), u64::from(*words.get(4)?));
    Some(Duration::from_micros(low | high << 16)).filter(|rpi| !rpi.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn refused(extended: &[u16]) -> (String, NextStep) {
        explain(&Refusal { general: 1, extended: extended.to_vec() })
    }

    #[test]
    fn only_a_wrong_interval_climbs_the_ladder_and_a_suggestion_is_taken() {
        assert_eq!(refused(&[0x0112]).1, NextStep::OtherRpi(None));
        assert_eq!(refused(&[0x0111]).1, NextStep::OtherRpi(None));
        // Types 0 and 0, O→T 1 s, T→O 250 ms.
        let words = [0x0112, 0, 0x4240, 0x000F, 0xD090, 0x0003];
        assert_eq!(refused(&words).1, NextStep::OtherRpi(Some(Duration::from_millis(250))));
        let others = (0x0100..0x0900).filter(|code| !matches!(code, 0x0111 | 0x0112));
        assert!(others.map(|code| refused(&[code]).1).all(|step| !matches!(step, NextStep::OtherRpi(_))));
    }

    #[test]
    fn a_missing_owner_says_what_to_clear_in_logix_and_a_wrong_size_the_right_one() {
        let (sentence, step) = refused(&[0x0119]);
        assert!(sentence.contains("Use Unicast Connection") && step == NextStep::WaitForOwner);
        let (sentence, step) = refused(&[0x0128, 54]);
        assert!(sentence.contains("right connection size is 54 bytes") && step == NextStep::Stop);
    }

    #[test]
    fn no_two_codes_that_differ_in_meaning_share_a_sentence() {
        let codes = [
            0x0100, 0x0106, 0x0107, 0x0108, 0x0109, 0x0111, 0x0112, 0x0113, 0x0117, 0x0118, 0x0119, 0x011A,
            0x0123, 0x0124, 0x0127, 0x0128, 0x012F, 0x0133, 0x0134, 0x0135, 0x0136, 0x0137, 0x0138, 0x0139,
            0x0203, 0x0204, 0x0301, 0x0302, 0x0315, 0x031C, 0x0813,
        ];
        let sentences: HashSet<_> = codes.iter().map(|code| meaning(*code).0).collect();
        assert_eq!(sentences.len(), codes.len());
    }
}
