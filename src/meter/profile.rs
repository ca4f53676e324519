//! A profile: what one kind of meter is, as data, checked at the door.
//!
//! `powermonitor_500.toml` (compiled in) or a user's file of the same format → `file` →
//! checks → [`Profile`], which every other module asks: sources for what to request, the decoder for
//! where things stand, `fields` for what to print, the simulator for what to serve.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::assembly::Assembly;
use super::element::{Convert, Element, Evidence, Form, REAL_BYTES, Use, WireType};
use super::file::{self, Parts};
use super::identity::IdentityRule;
use super::mistake::{Mistake, ProfileError, RowMistake, SharedPlace};
use super::table::Table;
use super::word_order::WordOrder;

/// The register that holds the meter's password; no row may contain it and no read may cover it.
pub const PASSWORD_REGISTER: u16 = 0x1000;

/// Units a row may carry.
const UNITS: [&str; 12] = ["", "V", "A", "W", "VA", "var", "Hz", "Wh", "varh", "s", "min", "kWh/pulse"];

const BUILT_IN: &str = include_str!("powermonitor_500.toml");

/// Everything known about one kind of meter.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Short name, shown in `powermonitor_500_info`.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Which word of a number comes first over Modbus, where it was proven; a configuration may still say
    /// otherwise.
    pub word_order: Option<WordOrder>,
    /// Where the facts come from: key, citation.
    pub sources: Vec<(String, String)>,
    /// Which devices the profile was made for.
    pub identity: IdentityRule,
    /// The assemblies, by instance.
    pub assemblies: Vec<Assembly>,
    /// The elements, in table and field order.
    pub elements: Vec<Element>,
}

impl Profile {
    /// The profile compiled into the program.
    pub fn built_in() -> Arc<Profile> {
        static PROFILE: OnceLock<Arc<Profile>> = OnceLock::new();
        PROFILE
            .get_or_init(|| match Profile::parse(BUILT_IN) {
                Ok(profile) => Arc::new(profile),
                // A test loads this very text, so a program that passes its tests never gets here.
                Err(reason) => unreachable!("the compiled-in profile is invalid: {reason}"),
            })
            .clone()
    }

    /// Reads a profile file; it may move the built-in profile's elements or leave some out, but never
    /// rename or retype them.
    ///
    /// # Errors
    /// The file, and what to change in it.
    pub fn load(path: &Path) -> Result<Arc<Profile>, ProfileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ProfileError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        let profile = Profile::parse(&text)
            .and_then(|profile| profile.check_against(&Profile::built_in()).map(|()| profile))
            .map_err(|mistake| ProfileError::Mistaken { path: path.to_owned(), mistake })?;
        Ok(Arc::new(profile))
    }

    /// Parses and checks the text of a profile.
    ///
    /// # Errors
    /// The row, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Profile, Mistake> {
        let Parts { name, title, word_order, sources, identity, assemblies, mut elements } =
            file::parse(text)?;
        // Fields come out table by table, whatever the order of the blocks in the file.
        elements.sort_by_key(|element| element.table);
        let profile = Profile { name, title, word_order, sources, identity, assemblies, elements };
        profile.check()?;
        Ok(profile)
    }

    /// The assembly with this instance number.
    pub fn assembly(&self, instance: u16) -> Option<&Assembly> {
        self.assemblies.iter().find(|assembly| assembly.instance == instance)
    }

    /// The assemblies that carry a table, in instance order.
    pub fn assemblies_of(&self, table: Table) -> impl Iterator<Item = &Assembly> {
        self.assemblies.iter().filter(move |assembly| assembly.table == table)
    }

    /// The elements of a table with their index in [`Profile::elements`], in field order.
    pub fn elements_of(&self, table: Table) -> impl Iterator<Item = (usize, &Element)> + Clone {
        let first = self.elements.partition_point(|element| element.table < table);
        let after = self.elements.partition_point(|element| element.table <= table);
        (first..).zip(&self.elements[first..after])
    }

    /// Finds an element's index by table and name.
    pub fn index_of(&self, table: Table, name: &str) -> Option<usize> {
        self.elements.iter().position(|element| element.table == table && element.name == name)
    }

    /// The catalog number for a CIP product code.
    pub fn catalog(&self, product_code: u16) -> Option<&str> {
        let (_, catalog) = self.identity.products.iter().find(|(code, _)| *code == product_code)?;
        Some(catalog)
    }

    /// The weakest evidence among a table's fields that are at least as good as `accepted`.
    pub fn basis(&self, table: Table, accepted: Evidence) -> Option<Evidence> {
        self.elements_of(table)
            .filter(|(_, element)| element.usage != Use::None)
            .map(|(_, element)| element.evidence)
            .filter(|evidence| *evidence >= accepted)
            .min()
    }

    fn check(&self) -> Result<(), Mistake> {
        let mut instances = HashSet::new();
        for assembly in &self.assemblies {
            if !instances.insert(assembly.instance) {
                return Err(Mistake::AssemblyTwice(assembly.instance));
            }
            if assembly.sizes.is_empty() || assembly.sizes.iter().any(|size| *size == 0 || *size > 500) {
                return Err(Mistake::AssemblySizes(assembly.instance));
            }
        }
        let mut names = HashSet::new();
        for element in &self.elements {
            self.check_element(element).map_err(|mistake| mistaken(element, mistake))?;
            let labels = element.labels.iter().map(|(name, _)| name.as_str());
            for name in std::iter::once(element.name.as_str()).chain(labels) {
                if !names.insert((element.table, name.to_owned())) {
                    return Err(Mistake::NameTwice { table: element.table, name: name.to_owned() });
                }
            }
        }
        for (index, element) in self.elements.iter().enumerate() {
            for other in &self.elements[..index] {
                check_overlap(element, other)?;
            }
        }
        Ok(())
    }

    fn check_element(&self, element: &Element) -> Result<(), RowMistake> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if element.name.is_empty() || !element.name.chars().all(legal) {
            return Err(RowMistake::Name);
        }
        if !UNITS.contains(&element.unit.as_str()) {
            return Err(RowMistake::Unit(element.unit.clone()));
        }
        if !self.sources.iter().any(|(key, _)| *key == element.source) {
            return Err(RowMistake::Uncited(element.source.clone()));
        }
        let (low, high) = element.range;
        let sound = low.is_finite() && high.is_finite() && low < high;
        if !sound && !element.wire.is_text() {
            return Err(RowMistake::Range);
        }
        if element.wire.is_text() && element.usage == Use::Field {
            return Err(RowMistake::Text);
        }
        match (element.wire, &element.convert) {
            (WireType::Bit(bit), _) if bit > 15 => return Err(RowMistake::Bit(bit)),
            (WireType::Letters(words), _) if !(1..=64).contains(&words) => return Err(RowMistake::Words),
            (_, Convert::Codes(codes)) if codes.is_empty() => return Err(RowMistake::Codes),
            _ => {}
        }
        if element.place.is_none() && element.modbus.is_none() {
            return Err(RowMistake::Nowhere);
        }
        self.check_place(element)?;
        if let Some(registers) = element.registers() {
            if registers.end > 0x1_0000 {
                return Err(RowMistake::PastRegisters);
            }
            if registers.contains(&u32::from(PASSWORD_REGISTER)) {
                return Err(RowMistake::Password);
            }
        }
        Ok(())
    }

    /// Whether the element stands wholly in an assembly of its table, if it stands in one.
    fn check_place(&self, element: &Element) -> Result<(), RowMistake> {
        let Some(place) = element.place else { return Ok(()) };
        let instance = place.instance;
        let assembly = self.assembly(instance).ok_or(RowMistake::Assembly(instance))?;
        if assembly.table != element.table {
            return Err(RowMistake::OtherTable { instance, table: assembly.table });
        }
        let ends = element.stretches().map(|(offset, length)| u32::from(offset) + u32::from(length));
        let (end, size) = (ends.max().unwrap_or_default(), assembly.min_size());
        if end > u32::from(size) {
            return Err(RowMistake::PastAssembly { end, instance, size });
        }
        match place.form {
            Form::Pair { low_offset, .. } if place.offset.abs_diff(low_offset) < REAL_BYTES => {
                Err(RowMistake::Halves)
            }
            _ => Ok(()),
        }
    }

    /// A user's profile may move elements or leave them out; the schema of the data stays ours.
    fn check_against(&self, built_in: &Profile) -> Result<(), Mistake> {
        for element in &self.elements {
            let Some(index) = built_in.index_of(element.table, &element.name) else {
                let names = built_in.elements_of(element.table).map(|(_, e)| e.name.as_str());
                let nearest = crate::suggest::nearest(&element.name, names).map(str::to_owned);
                return Err(mistaken(element, RowMistake::Unknown { nearest }));
            };
            let ours = &built_in.elements[index];
            let same = (ours.wire, &ours.convert, &ours.unit, ours.kind, ours.usage, &ours.labels)
                == (
                    element.wire,
                    &element.convert,
                    &element.unit,
                    element.kind,
                    element.usage,
                    &element.labels,
                );
            if !same {
                return Err(mistaken(element, RowMistake::Retyped));
            }
        }
        Ok(())
    }
}

fn mistaken(element: &Element, mistake: RowMistake) -> Mistake {
    Mistake::Row { table: element.table, name: element.name.clone(), mistake }
}

fn check_overlap(a: &Element, b: &Element) -> Result<(), Mistake> {
    // Several bits share a word, and nothing else may.
    if let (WireType::Bit(x), WireType::Bit(y)) = (a.wire, b.wire)
        && x != y
    {
        return Ok(());
    }
    let named = |element: &Element| format!("{}.{}", element.table, element.name);
    let overlap = |place| Err(Mistake::Overlap { first: named(b), second: named(a), place });
    if let (Some(x), Some(y)) = (a.place, b.place)
        && x.instance == y.instance
        && a.stretches().any(|(i, m)| b.stretches().any(|(j, n)| i < j + n && j < i + m))
    {
        return overlap(SharedPlace::Assembly(x.instance));
    }
    if let (Some(x), Some(y)) = (a.registers(), b.registers())
        && x.start < y.end
        && y.start < x.end
    {
        return overlap(SharedPlace::Register(x.start.max(y.start)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> String {
        assert!(BUILT_IN.contains(from), "the text to break is gone: {from}");
        match Profile::parse(&BUILT_IN.replacen(from, to, 1)) {
            Err(mistake) => mistake.to_string(),
            Ok(_) => panic!("accepted {to}"),
        }
    }

    #[test]
    fn the_compiled_in_profile_is_sound() {
        let profile = Profile::built_in();
        assert_eq!(profile.assemblies.len(), 9);
        assert_eq!(profile.elements_of(Table::Realtime).count(), 30);
        assert_eq!(profile.elements_of(Table::Energy).count(), 9);
        assert_eq!(profile.catalog(7), Some("1420-V2-ENT"));
    }

    #[test]
    fn a_profile_that_cannot_be_true_is_refused_with_its_row() {
        let voltage = "offset = 4 , modbus = 0x0052";
        assert!(refused(voltage, "offset = 2, modbus = 0x0052").contains("overlap in assembly 101"));
        assert!(refused(voltage, "offset = 4, modbus = 0x0051").contains("overlap at Modbus address"));
        assert!(refused(voltage, "offset = 46, modbus = 0x0052").contains("assembly 101 has 48 bytes"));
        assert!(refused(voltage, "offset = 4, modbus = 0xFFFF").contains("0xFFFF"));
        assert!(refused("modbus = 0x1001", "modbus = 0x1000").contains("password"));
        assert!(refused("name = \"voltage_l2_n_v\"", "name = \"voltage_l1_n_v\"").contains("twice"));
        assert!(refused("unit = \"Hz\"", "unit = \"hz\"").contains("unknown unit"));
        assert!(refused("range = [0.0, 100.0]", "range = [100.0, 0.0]").contains("range"));
        assert!(refused("range = [0.0, 100.0]", "rang = [0.0, 100.0]").contains("rang"));
        assert!(refused("instance = 108", "instance = 107").contains("twice"));
    }

    #[test]
    fn a_user_profile_moves_elements_but_never_renames_or_retypes_them() {
        let built_in = Profile::built_in();
        let swap = |from: &str, to: &str| {
            Profile::parse(&BUILT_IN.replacen(from, to, 1))
                .and_then(|profile| profile.check_against(&built_in))
                .map_err(|mistake| mistake.to_string())
        };
        assert_eq!(swap("modbus = 0x0520", "modbus = 0x0600"), Ok(()));
        assert!(
            swap("name = \"frequency_hz\"", "name = \"frequency_khz\"")
                .is_err_and(|reason| reason.contains("did you mean frequency_hz?"))
        );
        assert!(swap("unit = \"Hz\"", "unit = \"s\"").is_err_and(|reason| reason.contains("move")));
    }
}
