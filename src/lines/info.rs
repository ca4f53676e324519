//! What the meter is: at connect, when something in it changed, and hourly.

use crate::collector::report::Report;
use crate::meter::Evidence;
use crate::meter::identity::Identity;

use super::head::Heads;
use super::{Batch, Field, schema, timestamp};

/// Appends the line.
pub(super) fn write(report: &Report, heads: &mut Heads, batch: &mut Batch) {
    let (config, device) = (&report.config, &report.device);
    let identity = device.identity.as_ref();
    let revision = identity.map(|id| format!("{}.{}", id.revision.0, id.revision.1));
    let controller = device.controller.as_ref().map(|controller| {
        let Identity { product_name, revision: (major, minor), serial, .. } = controller;
        format!("{product_name}, revision {major}.{minor}, serial number {serial:08X}")
    });
    let check = report.map.check.to_string();
    let texts = [
        ("product_name", identity.map(|id| id.product_name.as_str())),
        ("catalog_number", identity.and_then(|id| config.profile.catalog(id.product_code))),
        ("serial_number", device.text("serial_number")),
        ("firmware", device.text("firmware")),
        ("module_firmware", device.text("module_firmware")),
        ("analog_firmware", device.text("analog_firmware")),
        ("revision", revision.as_deref()),
        ("controller", controller.as_deref()),
        ("address", Some(device.address.as_str())),
        ("profile", Some(config.profile_name.as_str())),
        ("map_basis", device.basis.map(Evidence::name)),
        ("map_check", Some(check.as_str())),
    ];
    let numbers = [
        ("product_code", identity.map(|id| i64::from(id.product_code))),
        ("cip_serial_number", identity.map(|id| i64::from(id.serial))),
        ("hardware_code", device.hardware),
        ("map_check_code", Some(report.map.check.code())),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Field::Text(text?))));
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, Field::Integer(number?))));
    let at = timestamp(report.at, config.precision);
    batch.line(heads.of(&report.config, schema::INFO), texts.chain(numbers), at);
}
