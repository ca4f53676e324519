//! The compiled-in profile says what the reference register list says.
//!
//! `reference/pm500-registers.csv` was collected from the manual's pages and the sibling's register list, apart
//! from the profile. Every row of it that has a place on the wire must be described by the profile at that
//! place, with that type, unit and evidence. Rows that are left out on purpose are listed here.

use telegraf_pm500::meter::element::{Element, WireType};
use telegraf_pm500::meter::{Evidence, Profile, Table};

/// One row of the list.
#[derive(serde::Deserialize)]
struct Row {
    table: String,
    assembly_instance: Option<u16>,
    element: String,
    modbus_address_printed: Option<u32>,
    pdu_address_hex: String,
    words: u16,
    r#type: String,
    unit: String,
    description: String,
    scale_or_notes: String,
}

impl Row {
    fn pdu(&self) -> Option<u16> {
        u16::from_str_radix(self.pdu_address_hex.strip_prefix("0x")?, 16).ok()
    }

    /// Byte offset in the assembly: what stands before it, in the assembly's own type. The list counts the
    /// elements of assembly 100 from one, all others from zero.
    fn offset(&self) -> Option<(u16, u16)> {
        let instance = self.assembly_instance?;
        let ordinal: u16 = self.element.parse().ok()?;
        let before = if instance == 100 { ordinal - 1 } else { ordinal };
        Some((instance, before * self.words * 2))
    }

    /// [A], [B] and [C] are the grades of the list; "[A for the address" is graded by its label.
    fn evidence(&self) -> Evidence {
        let (grade, _) = self.scale_or_notes.split_once(']').expect("a grade");
        match grade {
            "[A" => Evidence::Documented,
            "[B"
            | "[A for the address; label inferred from the pattern"
            | "[A for the address; B for the label" => Evidence::Inferred,
            "[C" => Evidence::Guessed,
            "[unknown" => Evidence::Unknown,
            other => panic!("unknown grade {other}] of {}", self.description),
        }
    }

    /// The unit of the emitted value where the list has one.
    fn unit(&self) -> Option<&str> {
        match self.unit.as_str() {
            // Words about the value rather than its unit.
            "" | "enum" | "bool" | "bitfield" => None,
            // Run time is emitted in seconds, the demand interval as well.
            "h:min" => Some("s"),
            "min" if self.description == "Demand interval" => Some("s"),
            "kWh or kVARh per pulse" => Some("kWh/pulse"),
            // The hour of a daylight-saving change is an hour of the day, not a length of time.
            "h" => None,
            unit => Some(unit),
        }
    }

    fn is_left_out(&self) -> bool {
        let named = [
            // The password is never read, so no row may have it.
            "Password",
            "Reserved",
            // One block for all alarms: its registers are checked by the rows of the block, below.
            "Virtual alarm AL1 block (LED 1)",
            "Virtual alarm block following AL1 (AL2 expected)",
        ];
        named.contains(&self.description.as_str())
    }
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/pm500-registers.csv");
    let mut reader = csv::Reader::from_path(path).expect("the reference list");
    reader.deserialize().collect::<Result<_, _>>().expect("rows")
}

/// The elements that cover a register, and the elements at a place of an assembly.
fn at_register(profile: &Profile, address: u16) -> Vec<&Element> {
    let covers = |element: &&Element| {
        element.registers().is_some_and(|registers| registers.contains(&u32::from(address)))
    };
    profile.elements.iter().filter(covers).collect()
}

fn at_place(profile: &Profile, instance: u16, offset: u16) -> Vec<&Element> {
    let covers = |element: &&Element| {
        element.place.is_some_and(|place| {
            place.instance == instance
                && (place.offset..place.offset + element.wire.bytes()).contains(&offset)
        })
    };
    profile.elements.iter().filter(covers).collect()
}

fn has_type(element: &Element, row: &Row) -> bool {
    match (element.wire, row.r#type.as_str()) {
        (WireType::Real, "REAL") | (WireType::Ulint, "ULINT") => element.wire.words() == row.words,
        // What the list calls UINT may be a part of something larger: a bit field, letters, the clock.
        (WireType::Uint, "UINT") => row.words == 1,
        (WireType::Bit(_), "UINT") => row.words == 1 && row.unit == "bitfield",
        (WireType::Letters(_), "UINT") => row.description.contains("letter"),
        (WireType::ModelRevision, "UINT") => row.description.contains("firmware"),
        (WireType::Clock, "UINT") => row.table.contains("clock"),
        _ => false,
    }
}

/// Whether the element begins where the row does; letters and the clock span several rows.
fn begins_at(element: &Element, row: &Row) -> bool {
    matches!(element.wire, WireType::Letters(_) | WireType::Clock)
        || (row.pdu().is_none_or(|address| element.modbus == Some(address))
            && row.offset().is_none_or(|(instance, offset)| {
                element.place.is_some_and(|place| (place.instance, place.offset) == (instance, offset))
            }))
}

/// The measured quantity in one spelling: "V L-N sigma (system average) max" and "V L-N system maximum" are one.
fn quantity(label: &str) -> String {
    let bare = label.split_once(" (").map_or(label.to_owned(), |(before, rest)| {
        before.to_owned() + rest.split_once(')').map_or("", |(_, after)| after)
    });
    let bare = bare.to_lowercase().replace("sigma", "system");
    let words = bare.split_whitespace().map(|word| match word {
        "max" => "maximum",
        "dmd" => "demand",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_register_and_element_of_the_reference_is_described_as_it_says() {
    let profile = Profile::built_in();
    let mut checked = 0;
    for row in rows().iter().filter(|row| !row.is_left_out()) {
        let by_register = row.pdu().map(|address| at_register(&profile, address));
        let by_place = row.offset().map(|(instance, offset)| at_place(&profile, instance, offset));
        if let Some(printed) = row.modbus_address_printed {
            assert_eq!(row.pdu().map(|pdu| u32::from(pdu) + 300_001), Some(printed), "{}", row.description);
        }
        if let (Some(register), Some(place)) = (&by_register, &by_place) {
            assert_eq!(register, place, "{}: one element, two ways to read it", row.description);
        }
        let Some(elements) = by_register.or(by_place) else { continue };
        assert!(!elements.is_empty(), "{}, {}: not in the profile", row.table, row.description);
        for element in elements {
            let name = format!("{}.{} ({})", element.table, element.name, row.description);
            assert!(has_type(element, row), "{name}: {} is not {} x {}", element.wire, row.r#type, row.words);
            assert!(begins_at(element, row), "{name}: begins elsewhere");
            if matches!(element.table, Table::Realtime | Table::Max | Table::Demand | Table::Energy) {
                assert_eq!(quantity(&element.label), quantity(&row.description), "{name}: label");
            }
            assert_eq!(element.evidence, row.evidence(), "{name}: evidence");
            // The parts of the clock have units of their own; the element is their difference in seconds.
            if let Some(unit) = row.unit().filter(|_| element.wire != WireType::Clock) {
                assert_eq!(element.unit, unit, "{name}: unit");
            }
        }
        checked += 1;
    }
    assert!(checked > 130, "only {checked} rows were checked");
}

#[test]
fn the_first_alarm_block_has_the_registers_of_the_manuals_alarm_block() {
    const FIRST_BLOCK: u16 = 0x1050;
    let profile = Profile::built_in();
    let mut checked = 0;
    for row in rows().iter().filter(|row| row.table.contains("alarm block") && !row.is_left_out()) {
        let base = row.pdu_address_hex.strip_prefix("base+0x").expect("base");
        let address = FIRST_BLOCK + u16::from_str_radix(base, 16).expect("offset");
        let elements = at_register(&profile, address);
        let [element] = &elements[..] else { panic!("{}: not in the profile", row.description) };
        assert_eq!(element.modbus, Some(address), "{}", row.description);
        assert!(has_type(element, row), "{}", row.description);
        assert_eq!(element.evidence, row.evidence(), "{}", row.description);
        if let Some(unit) = row.unit() {
            assert_eq!(element.unit, unit, "{}", row.description);
        }
        checked += 1;
    }
    assert_eq!(checked, 5);
}

#[test]
fn the_undecoded_energy_assembly_has_the_size_of_the_reference_and_claims_nothing() {
    let profile = Profile::built_in();
    let row = rows().into_iter().find(|row| row.assembly_instance == Some(107)).expect("assembly 107");
    let elements: Vec<_> = profile.elements_of(Table::Raw).map(|(_, element)| element).collect();
    assert_eq!(elements.iter().map(|element| element.wire.words()).sum::<u16>(), row.words);
    assert!(elements.iter().all(|element| element.evidence == row.evidence() && element.unit.is_empty()));
}
