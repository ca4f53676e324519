//! Why a Forward Open or Forward Close is refused. Source: CIP Vol. 1 table 3-5.29.

use crate::enip::status::Refusal;

const CONNECTION_FAILURE: u8 = 0x01;

pub(super) const DUPLICATE: u16 = 0x0100;
pub(super) const TRANSPORT: u16 = 0x0103;
pub(super) const OWNERSHIP: u16 = 0x0106;
pub(super) const NOT_FOUND: u16 = 0x0107;
pub(super) const OLD_SIZE: u16 = 0x0109;
pub(super) const RPI_NOT_SUPPORTED: u16 = 0x0111;
pub(super) const RPI_NOT_ACCEPTABLE: u16 = 0x0112;
pub(super) const NO_CONNECTION_LEFT: u16 = 0x0113;
pub(super) const WRONG_PRODUCT: u16 = 0x0114;
pub(super) const WRONG_TYPE: u16 = 0x0115;
pub(super) const WRONG_REVISION: u16 = 0x0116;
pub(super) const NO_OWNER: u16 = 0x0119;
pub(super) const O2T_TYPE: u16 = 0x0123;
pub(super) const T2O_TYPE: u16 = 0x0124;
pub(super) const REDUNDANT_OWNER: u16 = 0x0125;
pub(super) const CONFIGURATION_SIZE: u16 = 0x0126;
pub(super) const O2T_SIZE: u16 = 0x0127;
pub(super) const T2O_SIZE: u16 = 0x0128;
pub(super) const CONSUMED_PATH: u16 = 0x012A;
pub(super) const PRODUCED_PATH: u16 = 0x012B;
pub(super) const MULTIPLIER: u16 = 0x0133;
pub(super) const OTHER_SIZE: u16 = 0x0134;
pub(super) const OTHER_FIXED_OR_VARIABLE: u16 = 0x0135;
pub(super) const OTHER_PRIORITY: u16 = 0x0136;
pub(super) const OTHER_TRIGGER: u16 = 0x0138;
pub(super) const INVALID_SEGMENT: u16 = 0x0315;

/// Connection failure with an extended status.
pub(super) fn refusal(extended: u16) -> Refusal {
    Refusal { general: CONNECTION_FAILURE, extended: vec![extended] }
}

/// Connection failure with an extended status and the value that would fit.
pub(super) fn refusal_with(extended: u16, value: u16) -> Refusal {
    Refusal { general: CONNECTION_FAILURE, extended: vec![extended, value] }
}
