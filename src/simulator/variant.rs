//! How adapters differ where the specification leaves room, or where they do not follow it. Each was seen on
//! an adapter or is written in a manual; none is known of the PowerMonitor 500.

use clap::ValueEnum;

/// One way to differ from the simulator's usual behavior. Several go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Variant {
    /// Beside a unicast owner a listener gets a stream of its own instead of 0x0119
    SecondStream,
    /// A connection whose heartbeats stopped keeps its slot, until it is closed or its originator returns
    Lingering,
    /// 0x0112 comes without the packet interval that would fit
    RpiWithoutValues,
    /// A unicast connection, too, fixes the packet interval of its assembly
    UnicastLocksRpi,
    /// A unicast connection lets nobody else connect to its assembly
    UnicastBlocks,
    /// A listener that was given a stream of its own keeps it when the owner leaves
    ListenerSurvivesOwner,
    /// An owner whose heartbeats stopped stays the owner: listeners are accepted, and no frame comes
    KeepsDeadOwner,
    /// The first frame comes after one packet interval, not at once
    FirstFrameAfterRpi,
    /// Heartbeat instances are 152 and 153 and the configuration instance is 151
    HexInstances,
    /// A status header of 4 bytes precedes the data, and connection sizes count it
    StatusHeader,
    /// When a listener closes, the owner's frames stop
    ListenerStopsOwner,
    /// When heartbeats stop, all sessions of that originator are closed
    TimeoutClosesSessions,
    /// A wrong connection size is answered with 0x0109, as older adapters do
    OldSizeError,
    /// A wrong configuration instance is answered with general status 0x04
    ConfigSegmentError,
    /// A wrong configuration instance is answered with general status 0x05
    ConfigUnknown,
}
