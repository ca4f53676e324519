//! Devices → a table for people, JSON for scripts, and a configuration to paste.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::found::Device;
use super::recommend::{self, Found, ReadOver};
use crate::display::{Page, TextTable};

/// The table, and the configuration of the meters in it.
pub fn text(devices: &[Device], page: Page) -> String {
    let heads = ["ADDRESS", "PRODUCT", "CATALOG", "REV", "SERIAL", "STATE", "METER"];
    let mut table = TextTable::new(heads);
    for device in devices {
        let identity = &device.identity;
        let (major, minor) = identity.revision;
        table.row([
            match device.says {
                Some(says) => format!("{} (says {says})", device.address),
                None => device.address.to_string(),
            },
            identity.product_name.clone(),
            device.catalog.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{major}.{minor}"),
            identity.serial.to_string(),
            device.state.to_owned(),
            match (device.is_meter, is_controller(device)) {
                (true, _) => "yes".to_owned(),
                // It may have a meter in its tags.
                (false, true) => "no, a controller".to_owned(),
                (false, false) => "no".to_owned(),
            },
        ]);
    }
    let mut out = table.print(page);
    if devices.iter().any(|device| device.is_meter) {
        let _ = write!(out, "\nA configuration to begin with:\n\n{}", configuration(devices));
    }
    out
}

/// Whether it is a controller, by its device type in the identity object (ODVA: programmable logic controller).
fn is_controller(device: &Device) -> bool {
    device.identity.device_type == 0x0E
}

/// One table per meter, named by its serial number.
pub fn configuration(devices: &[Device]) -> String {
    let meters = devices.iter().filter(|device| device.is_meter).map(|device| Found {
        name: format!("pm500-{}", device.identity.serial),
        address: device.address.to_string(),
        read_over: ReadOver::EtherNetIp,
        // Bit 0 of the status: somebody has a connection that he owns.
        owned: device.identity.status & 1 != 0,
    });
    recommend::configuration(&meters.collect::<Vec<_>>())
}

/// One JSON document; its keys are stable, new ones may be added.
pub fn json(devices: &[Device]) -> Value {
    let rows = devices.iter().map(|device| {
        let identity = &device.identity;
        let (major, minor) = identity.revision;
        json!({
            "address": device.address.to_string(), "address_in_reply": device.says.map(|says| says.to_string()),
            "vendor": identity.vendor, "device_type": identity.device_type, "product_code": identity.product_code,
            "product_name": identity.product_name, "catalog_number": device.catalog,
            "revision": format!("{major}.{minor}"), "serial_number": identity.serial, "state": device.state,
            "powermonitor_500": device.is_meter, "controller": is_controller(device),
        })
    });
    json!({ "devices": rows.collect::<Vec<_>>(), "configuration": configuration(devices) })
}
