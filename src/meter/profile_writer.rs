//! A profile → the text of a profile file, in the format of `powermonitor_500.toml`.

use std::fmt::Write as _;

use super::element::{Convert, Element, Form, Use, WireType};
use super::profile::Profile;

/// The file's text; `head` are lines of comment that say where it comes from.
pub fn write(profile: &Profile, head: &[String]) -> String {
    let mut out = String::new();
    for line in head {
        let _ = writeln!(out, "# {line}");
    }
    let _ = writeln!(out, "\nformat = 1\nname = {}\ntitle = {}", text(&profile.name), text(&profile.title));
    if let Some(order) = profile.word_order {
        let _ = writeln!(out, "word_order = {}", text(order.name()));
    }
    let _ = writeln!(out, "\n[sources]");
    for (key, citation) in &profile.sources {
        let _ = writeln!(out, "{key} = {}", text(citation));
    }
    let rule = &profile.identity;
    let _ = writeln!(
        out,
        "\n[identity]\nvendor = {}\ndevice_type = 0x{:02X}\nproducts = [",
        rule.vendor, rule.device_type
    );
    for (code, catalog) in &rule.products {
        let _ = writeln!(out, "  {{ code = {code}, catalog = {} }},", text(catalog));
    }
    let _ = writeln!(out, "]");
    for assembly in &profile.assemblies {
        let _ = writeln!(
            out,
            "\n[[assembly]]\ninstance = {}\ntable = \"{}\"\nsizes = {:?}\ntitle = {}",
            assembly.instance,
            assembly.table,
            assembly.sizes,
            text(&assembly.title)
        );
    }
    for rows in profile.elements.chunk_by(same_block) {
        block(&mut out, rows);
    }
    out
}

/// Whether two neighbors share everything that a block says once.
fn same_block(a: &Element, b: &Element) -> bool {
    let key = |row: &Element| {
        (row.table, row.place.map(|place| place.instance), kind(row.wire), row.kind, row.usage)
    };
    key(a) == key(b) && a.source == b.source
}

fn kind(wire: WireType) -> &'static str {
    match wire {
        WireType::Real => "REAL",
        WireType::Uint => "UINT",
        WireType::Ulint => "ULINT",
        WireType::Bit(_) => "BIT",
        WireType::Letters(_) => "LETTERS",
        WireType::ModelRevision => "MODEL_REVISION",
        WireType::Clock => "CLOCK",
    }
}

fn block(out: &mut String, rows: &[Element]) {
    let Some(first) = rows.first() else { return };
    let _ = writeln!(out, "\n[[block]]\ntable = \"{}\"", first.table);
    if let Some(place) = first.place {
        let _ = writeln!(out, "assembly = {}", place.instance);
    }
    let evidence = rows.iter().map(|row| row.evidence).min().unwrap_or(first.evidence);
    let _ = writeln!(
        out,
        "type = \"{}\"\nkind = \"{}\"\nevidence = \"{evidence}\"\nsource = {}",
        kind(first.wire),
        first.kind.name(),
        text(&first.source)
    );
    match first.usage {
        Use::Field => {}
        Use::Info => out.push_str("use = \"info\"\n"),
        Use::None => out.push_str("use = \"none\"\n"),
    }
    let _ = writeln!(out, "elements = [");
    for row in rows {
        let mut keys = Vec::new();
        keys.extend(row.place.map(|place| format!("offset = {}", place.offset)));
        match row.place.map(|place| place.form) {
            Some(Form::Scaled(factor)) => keys.push(format!("factor = {factor}")),
            Some(Form::Pair { low_offset, modulus, factor }) => {
                keys.push(format!("low_offset = {low_offset}, modulus = {modulus}, factor = {factor}"))
            }
            Some(Form::Own) | None => {}
        }
        keys.extend(row.modbus.map(|address| format!("modbus = 0x{address:04X}")));
        match row.wire {
            WireType::Bit(bit) => keys.push(format!("bit = {bit}")),
            WireType::Letters(words) => keys.push(format!("words = {words}")),
            _ => {}
        }
        keys.push(format!("name = {}, unit = {}", text(&row.name), text(&row.unit)));
        if !row.wire.is_text() {
            keys.push(format!("range = [{:?}, {:?}]", row.range.0, row.range.1));
        }
        keys.push(format!("label = {}", text(&row.label)));
        match &row.convert {
            Convert::None => {}
            Convert::Code => keys.push("convert = \"code\"".to_owned()),
            Convert::HoursMinutes => keys.push("convert = \"hours_minutes\"".to_owned()),
            Convert::Codes(codes) => keys.push(format!("codes = {codes:?}")),
        }
        if let Some((field, labels)) = &row.labels {
            let labels: Vec<String> = labels.iter().map(|label| text(label)).collect();
            keys.push(format!("labels = [{}], label_field = {}", labels.join(", "), text(field)));
        }
        if row.evidence != evidence {
            keys.push(format!("evidence = \"{}\"", row.evidence));
        }
        let _ = writeln!(out, "  {{ {} }},", keys.join(", "));
    }
    let _ = writeln!(out, "]");
}

/// A TOML string.
fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::element::Place;
    use crate::meter::{Evidence, Table};

    #[test]
    fn what_is_written_is_read_back_element_by_element() {
        let mut profile = (*Profile::built_in()).clone();
        profile.elements.retain(|element| element.table != Table::Raw);
        profile.word_order = Some(crate::meter::WordOrder::HighFirst);
        let assembly = profile.assemblies.iter_mut().find(|found| found.instance == 107).unwrap();
        assembly.table = Table::Energy;
        let energy = profile.index_of(Table::Energy, "active_import_wh").unwrap();
        let form = Form::Pair { low_offset: 0, modulus: 1_000_000, factor: 1000 };
        profile.elements[energy].place = Some(Place { instance: 107, offset: 4, form });
        profile.elements[energy].evidence = Evidence::Verified;
        let watts = profile.index_of(Table::Realtime, "active_power_l1_w").unwrap();
        let place = profile.elements[watts].place.unwrap();
        profile.elements[watts].place = Some(Place { form: Form::Scaled(1000), ..place });
        let text = write(&profile, &["A \"quoted\" line".to_owned()]);
        let read = Profile::parse(&text).unwrap();
        assert!(text.starts_with("# A \"quoted\" line\n"));
        assert_eq!(read.elements, profile.elements);
        assert_eq!((read.assemblies, read.word_order), (profile.assemblies, profile.word_order));
        assert_eq!((read.identity, read.sources), (profile.identity, profile.sources));
    }
}
