//! The options of `simulate`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::meter::decode::WordOrder;
use crate::simulator::{Variant, Wiring};

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// First address to listen on; further meters take the following addresses
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST)]
    pub bind: Ipv4Addr,
    /// How many meters
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// TCP port of EtherNet/IP; 0 takes any free port
    #[arg(long, value_name = "PORT", default_value_t = crate::enip::packet::PORT)]
    pub eip_port: u16,
    /// UDP port of class 1 I/O; 0 takes any free port. Each address has one: a collector on this host listens
    /// from 127.0.0.1, so let the meters begin at 127.0.0.2
    #[arg(long, value_name = "PORT", default_value_t = crate::enip::class1::PORT)]
    pub io_port: u16,
    /// TCP port of Modbus; 0 takes any free port
    #[arg(long, value_name = "PORT", default_value_t = 1502)]
    pub modbus_port: u16,
    /// Let all values stand still
    #[arg(long)]
    pub frozen: bool,
    /// Word order of Modbus numbers: low_first or high_first
    #[arg(long, value_name = "ORDER", default_value_t = WordOrder::LowFirst)]
    pub word_order: WordOrder,
    /// Bytes of assembly 100: 20 or 40
    #[arg(long, value_name = "BYTES", default_value_t = 20, value_parser = clap::value_parser!(u16).range(20..=40))]
    pub info_size: u16,
    /// Refuse Modbus reads across registers that are not described (between frequency and phase sequence)
    #[arg(long)]
    pub hole: bool,
    /// Silence EtherNet/IP while Modbus is in use, as the maker is reported to say; unproven
    #[arg(long)]
    pub modbus_suspends_eip: bool,
    /// Wire the meters like this
    #[arg(long, value_name = "NAME", default_value = "right")]
    pub wiring: Wiring,
    /// Serve one REAL per energy counter in assembly 107, instead of two
    #[arg(long)]
    pub single_reals: bool,
    /// Serve the values where this profile file says: a meter whose map is another
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Behave like another adapter; may be repeated
    #[arg(long, value_name = "NAME")]
    pub variant: Vec<Variant>,
    /// The PLCs that own the meters.
    #[command(flatten)]
    pub owner: OwnerArgs,
}

/// Options of `simulate` for the PLCs beside the meters.
#[derive(Debug, Args)]
pub struct OwnerArgs {
    /// Let a simulated PLC own each meter through an input-only connection
    #[arg(long, group = "plc")]
    pub owner: bool,
    /// Simulate no meter, only a PLC that owns the meter at this address
    #[arg(long, value_name = "ADDRESS", group = "plc")]
    pub owner_of: Option<Ipv4Addr>,
    /// Packet interval of the PLC
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration, requires = "plc")]
    pub owner_rpi: Duration,
    /// Assembly that the PLC owns; may be repeated
    #[arg(long, value_name = "INSTANCE", default_value = "101", value_parser = clap::value_parser!(u8).range(100..=108), requires = "plc")]
    pub owner_assembly: Vec<u8>,
    /// Let the PLC use a unicast connection
    #[arg(long, requires = "plc")]
    pub owner_unicast: bool,
    /// Address of the first PLC; further ones take the following addresses
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::new(127, 0, 1, 1), requires = "plc")]
    pub owner_address: Ipv4Addr,
    /// Close the PLC's connection after this time
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "plc")]
    pub owner_stop_after: Option<Duration>,
    /// Let the PLC vanish after this time, without closing its connection
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "plc", conflicts_with = "owner_stop_after")]
    pub owner_crash_after: Option<Duration>,
    /// Let the PLC return after this further time, and begin again
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "plc")]
    pub owner_return_after: Option<Duration>,
}
