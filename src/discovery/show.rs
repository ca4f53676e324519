//! Devices → a table for people, JSON for scripts, and a configuration to paste.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::found::Device;

/// The table, and the configuration of the meters in it.
pub fn text(devices: &[Device]) -> String {
    let head = ["ADDRESS", "PRODUCT", "CATALOG", "REVISION", "SERIAL", "STATE", "POWERMONITOR 500"];
    let mut rows = vec![head.map(str::to_owned)];
    for device in devices {
        let identity = &device.identity;
        let (major, minor) = identity.revision;
        rows.push([
            match device.says {
                Some(says) => format!("{} (says {says})", device.address),
                None => device.address.to_string(),
            },
            identity.product_name.clone(),
            device.catalog.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{major}.{minor}"),
            identity.serial.to_string(),
            device.state.to_owned(),
            if device.is_meter { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if devices.iter().any(|device| device.is_meter) {
        let _ = write!(out, "\nA configuration to begin with:\n\n{}", configuration(devices));
    }
    out
}

/// One table per meter, named by its serial number.
pub fn configuration(devices: &[Device]) -> String {
    let mut out = "[[inputs.powermonitor_500]]\n".to_owned();
    for device in devices.iter().filter(|device| device.is_meter) {
        let _ = writeln!(
            out,
            "\n  [[inputs.powermonitor_500.meter]]\n    name = \"pm500-{}\"\n    address = \"{}\"",
            device.identity.serial, device.address
        );
    }
    out
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
            "powermonitor_500": device.is_meter,
        })
    });
    json!({ "devices": rows.collect::<Vec<_>>(), "configuration": configuration(devices) })
}
