//! The options of `simulate`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::meter::WordOrder;
use crate::simulator::{
    Absent, CounterHistory, EnergyForm, EnergyLayout, EnergyOrder, EnergyUnit, FrameShape, LineFault, State,
    SystemVoltage, Variant, Wiring,
};

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
    /// Supply and load; goes together with every wiring and every way to be absent
    #[arg(long, value_name = "STATE", value_enum, default_value_t, help_heading = "The installation")]
    pub state: State,
    /// How the meters are wired
    #[arg(long, value_name = "WIRING", value_enum, default_value_t, help_heading = "The installation")]
    pub wiring: Wiring,
    /// What stands for an element that the wiring does not have
    #[arg(long, value_name = "VALUE", value_enum, default_value_t, help_heading = "The installation")]
    pub absent: Absent,
    /// Mean active power of the system, such as 1kW or 50kW, instead of the state's own
    #[arg(long, value_name = "POWER", value_parser = watts, help_heading = "The installation")]
    pub load: Option<f64>,
    /// What is shown as the system's voltage against neutral
    #[arg(long, value_name = "VALUE", value_enum, default_value_t, help_heading = "The installation")]
    pub system_voltage: SystemVoltage,
    /// What happens to the energy counters
    #[arg(long, value_name = "HISTORY", value_enum, default_value_t, help_heading = "Energy")]
    pub counters: CounterHistory,
    /// How often it happens
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration, help_heading = "Energy")]
    pub counters_every: Duration,
    /// Let the partial counters begin at 0
    #[arg(long, help_heading = "Energy")]
    pub partials_reset: bool,
    /// Let the counters of export be at 0
    #[arg(long, help_heading = "Energy")]
    pub no_export: bool,
    /// Assembly 107 tells each counter by so many REALs
    #[arg(long, value_name = "FORM", value_enum, default_value_t, help_heading = "Energy")]
    pub energy_form: EnergyForm,
    /// Assembly 107 tells the counters in this unit
    #[arg(long, value_name = "UNIT", value_enum, default_value_t, help_heading = "Energy")]
    pub energy_unit: EnergyUnit,
    /// Assembly 107 has the counters in this order
    #[arg(long, value_name = "ORDER", value_enum, default_value_t, help_heading = "Energy")]
    pub energy_order: EnergyOrder,
    /// The high part of a pair counts in multiples of this
    #[arg(long, value_name = "N", default_value_t = EnergyLayout::default().base, value_parser = clap::value_parser!(u32).range(10..=1_000_000_000), help_heading = "Energy")]
    pub energy_base: u32,
    /// Assembly 107 is brought up to date this often, up to every 2m, instead of always
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Energy")]
    pub energy_update: Option<Duration>,
    /// Serve the values where this profile file says: a meter whose map is another
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Behave like another adapter; may be repeated
    #[arg(long, value_name = "NAME")]
    pub variant: Vec<Variant>,
    /// Put frames together like this
    #[arg(long, value_name = "SHAPE", default_value = "usual")]
    pub frames: FrameShape,
    /// The PLCs that own the meters.
    #[command(flatten, next_help_heading = "PLCs that own the meters")]
    pub owner: OwnerArgs,
    /// The controller with the meters' assemblies in its tags.
    #[command(flatten, next_help_heading = "A controller with tags")]
    pub controller: ControllerArgs,
    /// An RS-485 line.
    #[command(flatten, next_help_heading = "An RS-485 line")]
    pub line: LineArgs,
}

impl SimulateArgs {
    /// What assembly 107 has.
    pub fn energy_layout(&self) -> EnergyLayout {
        EnergyLayout {
            form: self.energy_form,
            unit: self.energy_unit,
            order: self.energy_order,
            base: self.energy_base,
            update: self.energy_update.unwrap_or_default(),
        }
    }
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
    /// Assembly that a PLC owns; may be repeated. Realtime values need both of the default
    #[arg(long, value_name = "INSTANCE", default_values = ["101", "102"], value_parser = clap::value_parser!(u8).range(100..=108), requires = "plc")]
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

/// Options of `simulate` for a controller.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// Simulate a Logix-like controller that has connections to the meters, and their assemblies in its tags
    #[arg(long)]
    pub controller: bool,
    /// Address of the controller; its port is that of EtherNet/IP
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::new(127, 0, 3, 1), requires = "controller")]
    pub controller_address: Ipv4Addr,
    /// Slot of the controller in its backplane: the route to it is 1,SLOT
    #[arg(long, value_name = "SLOT", default_value_t = 0, requires = "controller")]
    pub controller_slot: u8,
    /// Let a communication module answer, so that only the route leads to the controller
    #[arg(long, requires = "controller")]
    pub controller_bridge: bool,
    /// Assembly that the controller has; may be repeated
    #[arg(long, value_name = "INSTANCE", default_values = ["101", "102"], value_parser = clap::value_parser!(u8).range(100..=108), requires = "controller")]
    pub controller_assembly: Vec<u8>,
    /// Sessions that the controller takes at one time
    #[arg(long, value_name = "N", default_value_t = 32, requires = "controller")]
    pub controller_sessions: u32,
    /// Let each answer of the controller take this long
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "controller")]
    pub controller_delay: Option<Duration>,
    /// Put the controller into program mode: tags that messages feed stand still
    #[arg(long, requires = "controller")]
    pub controller_program_mode: bool,
    /// Let the controller's module connections fault after this time: their tags keep the last values
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "controller")]
    pub controller_fault_after: Option<Duration>,
    /// Let them heal after this further time, and fault again
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "controller_fault_after")]
    pub controller_heal_after: Option<Duration>,
    /// Let the fault tags say that all is well, whatever is
    #[arg(long, requires = "controller")]
    pub controller_fault_tags_lie: bool,
}

/// Options of `simulate` for an RS-485 line.
#[derive(Debug, Clone, Args)]
pub struct LineArgs {
    /// Simulate meters on an RS-485 line instead of Ethernet, behind a pseudo terminal that is opened like a serial
    /// port
    #[arg(long, conflicts_with_all = ["owner", "owner_of", "controller"])]
    pub serial: bool,
    /// Let this link lead to the pseudo terminal
    #[arg(long, value_name = "PATH", requires = "serial")]
    pub serial_link: Option<PathBuf>,
    /// Units on the line
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=247), requires = "serial")]
    pub units: u8,
    /// Unit id of the first; the others follow
    #[arg(long, value_name = "ID", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=247), requires = "serial")]
    pub first_unit: u8,
    /// Carry bytes as slowly as a wire at this speed, and understand no port that is set to another one
    #[arg(long, value_name = "BAUD", value_parser = clap::value_parser!(u32).range(300..=921_600), requires = "serial")]
    pub baud_rate: Option<u32>,
    /// Between a request and its answer
    #[arg(long, value_name = "DURATION", default_value = "5ms", value_parser = duration, requires = "serial")]
    pub answer_time: Duration,
    /// Serve the line through a gateway, too: Modbus TCP on this port of --bind
    #[arg(long, value_name = "PORT", requires = "serial")]
    pub gateway_port: Option<u16>,
    /// The same with the line's own frames, RTU over TCP
    #[arg(long, value_name = "PORT", requires = "serial")]
    pub rtu_over_tcp_port: Option<u16>,
    /// Let this happen to answers; may be repeated
    #[arg(long, value_name = "FAULT", requires = "serial")]
    pub line_fault: Vec<LineFault>,
    /// Let it happen to every so many answers
    #[arg(long, value_name = "N", default_value_t = 1, requires = "serial")]
    pub line_fault_every: u32,
    /// Unit that does not answer; may be repeated
    #[arg(long, value_name = "ID", requires = "serial")]
    pub silent_unit: Vec<u8>,
}

/// Units of power, in W.
const POWERS: [(&str, f64); 4] = [("MW", 1e6), ("kW", 1e3), ("mW", 1e-3), ("W", 1.0)];

/// What is wrong with a power.
#[derive(Debug, thiserror::Error)]
enum PowerError {
    #[error("a power needs a unit: 300W, 1kW, 2.5MW")]
    NoUnit,
    #[error("{0:?} is not a number")]
    NoNumber(String),
    #[error("a power is above 0")]
    NotAbove,
}

/// A power with its unit, in W.
fn watts(text: &str) -> Result<f64, PowerError> {
    let (number, worth) = POWERS
        .iter()
        .find_map(|(unit, worth)| Some((text.strip_suffix(unit)?, *worth)))
        .ok_or(PowerError::NoUnit)?;
    let number: f64 = number.trim().parse().map_err(|_| PowerError::NoNumber(number.to_owned()))?;
    if number.is_finite() && number > 0.0 { Ok(number * worth) } else { Err(PowerError::NotAbove) }
}
