//! The TOML text of a profile → its parts. Only shape is checked here; sense is checked in
//! [`profile`](super::profile).

use serde::Deserialize;

use super::assembly::Assembly;
use super::element::{Convert, Element, Evidence, Form, Kind, Place, Use, WireType};
use super::identity::IdentityRule;
use super::mistake::{Mistake, RowMistake};
use super::table::Table;
use super::word_order::WordOrder;

/// The format this program reads and writes.
const FORMAT: u32 = 1;

/// A profile's parts, in the order of the file.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) word_order: Option<WordOrder>,
    pub(super) sources: Vec<(String, String)>,
    pub(super) identity: IdentityRule,
    pub(super) assemblies: Vec<Assembly>,
    pub(super) elements: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    name: String,
    title: String,
    word_order: Option<WordOrder>,
    sources: toml::Table,
    identity: Identity,
    assembly: Vec<AssemblyRow>,
    block: Vec<Block>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    vendor: u16,
    device_type: u16,
    products: Vec<Product>,
    #[serde(rename = "source")]
    _source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    code: u16,
    catalog: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssemblyRow {
    instance: u16,
    table: Table,
    sizes: Vec<u16>,
    title: String,
    #[serde(rename = "source")]
    _source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    table: Table,
    assembly: Option<u16>,
    #[serde(rename = "type")]
    wire: String,
    kind: Kind,
    evidence: Evidence,
    source: String,
    #[serde(rename = "use")]
    usage: Option<Use>,
    elements: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    label: String,
    unit: String,
    range: Option<(f64, f64)>,
    offset: Option<u16>,
    low_offset: Option<u16>,
    modulus: Option<u32>,
    factor: Option<u32>,
    modbus: Option<u16>,
    bit: Option<u8>,
    words: Option<u16>,
    convert: Option<String>,
    codes: Option<Vec<i64>>,
    labels: Option<Vec<String>>,
    label_field: Option<String>,
    /// Overrides the block's grade, as `verify` does element by element.
    evidence: Option<Evidence>,
}

/// Parses the text of a profile; the result is not yet checked for sense.
pub(super) fn parse(text: &str) -> Result<Parts, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| Mistake::Syntax {
        line: error.span().map(|span| text[..span.start].lines().count().max(1)),
        message: error.message().replace('\n', ", "),
    })?;
    if file.format != FORMAT {
        return Err(Mistake::Format { found: file.format, reads: FORMAT });
    }
    let mut sources = Vec::new();
    for (key, value) in file.sources {
        let Some(citation) = value.as_str() else { return Err(Mistake::Source(key)) };
        sources.push((key, citation.to_owned()));
    }
    let assemblies = file
        .assembly
        .into_iter()
        .map(|row| Assembly { instance: row.instance, table: row.table, sizes: row.sizes, title: row.title })
        .collect();
    let mut elements = Vec::new();
    for block in &file.block {
        for row in &block.elements {
            let mistaken = |mistake| Mistake::Row { table: block.table, name: row.name.clone(), mistake };
            elements.push(element(block, row).map_err(mistaken)?);
        }
    }
    Ok(Parts {
        name: file.name,
        title: file.title,
        word_order: file.word_order,
        sources,
        identity: IdentityRule {
            vendor: file.identity.vendor,
            device_type: file.identity.device_type,
            products: file.identity.products.into_iter().map(|p| (p.code, p.catalog)).collect(),
        },
        assemblies,
        elements,
    })
}

fn element(block: &Block, row: &Row) -> Result<Element, RowMistake> {
    let wire = match (block.wire.as_str(), row.bit, row.words) {
        ("REAL", None, None) => WireType::Real,
        ("UINT", None, None) => WireType::Uint,
        ("ULINT", None, None) => WireType::Ulint,
        ("BIT", Some(bit), None) => WireType::Bit(bit),
        ("LETTERS", None, Some(words)) => WireType::Letters(words),
        ("MODEL_REVISION", None, None) => WireType::ModelRevision,
        ("CLOCK", None, None) => WireType::Clock,
        ("BIT", None, _) => return Err(RowMistake::BitMissing),
        ("LETTERS", _, None) => return Err(RowMistake::WordsMissing),
        (other, ..) => return Err(RowMistake::Type(other.to_owned())),
    };
    let convert = match (row.convert.as_deref(), &row.codes) {
        (None, None) => Convert::None,
        (Some("code"), None) => Convert::Code,
        (Some("hours_minutes"), None) => Convert::HoursMinutes,
        (None, Some(codes)) => Convert::Codes(codes.clone()),
        _ => return Err(RowMistake::Convert),
    };
    let place = match (block.assembly, row.offset) {
        (Some(instance), Some(offset)) => Some(Place { instance, offset, form: form(wire, row)? }),
        (None, None) => None,
        (Some(_), None) => return Err(RowMistake::OffsetMissing),
        (None, Some(_)) => return Err(RowMistake::AssemblyMissing),
    };
    if place.is_none() && (row.low_offset.is_some() || row.modulus.is_some() || row.factor.is_some()) {
        return Err(RowMistake::FormWithoutPlace);
    }
    let labels = match (&row.label_field, &row.labels) {
        (Some(field), Some(labels)) => Some((field.clone(), labels.clone())),
        (None, None) => None,
        _ => return Err(RowMistake::Labels),
    };
    let range = match row.range {
        Some(range) => range,
        None if wire.is_text() => (0.0, 0.0),
        None => return Err(RowMistake::RangeMissing),
    };
    Ok(Element {
        table: block.table,
        name: row.name.clone(),
        label: row.label.clone(),
        place,
        modbus: row.modbus,
        wire,
        convert,
        unit: row.unit.clone(),
        kind: block.kind,
        range,
        evidence: row.evidence.unwrap_or(block.evidence),
        source: block.source.clone(),
        usage: block.usage.unwrap_or(Use::Field),
        labels,
    })
}

/// How a row says that its value is written in the assembly.
fn form(wire: WireType, row: &Row) -> Result<Form, RowMistake> {
    match (wire, row.low_offset, row.modulus, row.factor) {
        (_, None, None, None) => Ok(Form::Own),
        (WireType::Real | WireType::Ulint, None, None, Some(factor)) if factor > 0 => {
            Ok(Form::Scaled(factor))
        }
        (WireType::Ulint, Some(low_offset), Some(modulus), factor) if modulus > 1 && factor != Some(0) => {
            Ok(Form::Pair { low_offset, modulus, factor: factor.unwrap_or(1) })
        }
        _ => Err(RowMistake::Form),
    }
}
