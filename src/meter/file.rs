//! The TOML text of a profile → rows. Only shape is checked here; sense is checked in
//! [`profile`](super::profile).

use serde::Deserialize;

use super::decode::WordOrder;
use super::element::{Convert, Element, Evidence, Form, Kind, Place, Use, WireType};
use super::profile::{Assembly, IdentityRule, Profile};
use super::table::Table;

/// The format this program reads and writes.
const FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    name: String,
    title: String,
    word_order: Option<String>,
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
pub(super) fn parse(text: &str) -> Result<Profile, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].lines().count().max(1));
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{line}{}", error.message().replace('\n', ", "))
    })?;
    if file.format != FORMAT {
        return Err(format!("format {} is not format {FORMAT}, which this version reads", file.format));
    }
    let word_order = file.word_order.map(|order| order.parse::<WordOrder>()).transpose()?;
    let mut sources = Vec::new();
    for (key, value) in file.sources {
        let citation = value.as_str().ok_or_else(|| format!("source {key} must be a text"))?;
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
            let element =
                element(block, row).map_err(|reason| format!("{}.{}: {reason}", block.table, row.name))?;
            elements.push(element);
        }
    }
    // Fields come out table by table, whatever the order of the blocks in the file.
    elements.sort_by_key(|element| element.table);
    Ok(Profile {
        name: file.name,
        title: file.title,
        word_order,
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

fn element(block: &Block, row: &Row) -> Result<Element, String> {
    let wire = match (block.wire.as_str(), row.bit, row.words) {
        ("REAL", None, None) => WireType::Real,
        ("UINT", None, None) => WireType::Uint,
        ("ULINT", None, None) => WireType::Ulint,
        ("BIT", Some(bit), None) => WireType::Bit(bit),
        ("LETTERS", None, Some(words)) => WireType::Letters(words),
        ("MODEL_REVISION", None, None) => WireType::ModelRevision,
        ("CLOCK", None, None) => WireType::Clock,
        ("BIT", None, _) => return Err("a BIT needs bit = 0 to 15".to_owned()),
        ("LETTERS", _, None) => return Err("LETTERS need words = their number of words".to_owned()),
        (other, ..) => {
            return Err(format!(
                "type \"{other}\" with these keys is not one of REAL, UINT, ULINT, BIT (bit), LETTERS (words), \
                 MODEL_REVISION, CLOCK"
            ));
        }
    };
    let convert = match (row.convert.as_deref(), &row.codes) {
        (None, None) => Convert::None,
        (Some("code"), None) => Convert::Code,
        (Some("hours_minutes"), None) => Convert::HoursMinutes,
        (None, Some(codes)) => Convert::Codes(codes.clone()),
        _ => return Err("convert must be \"code\" or \"hours_minutes\", without codes".to_owned()),
    };
    let place = match (block.assembly, row.offset) {
        (Some(instance), Some(offset)) => Some(Place { instance, offset, form: form(wire, row)? }),
        (None, None) => None,
        (Some(_), None) => return Err("a block with an assembly needs an offset in each row".to_owned()),
        (None, Some(_)) => return Err("an offset needs an assembly in its block".to_owned()),
    };
    if place.is_none() && (row.low_offset.is_some() || row.modulus.is_some() || row.factor.is_some()) {
        return Err("low_offset, modulus and factor need an offset in an assembly".to_owned());
    }
    let labels = match (&row.label_field, &row.labels) {
        (Some(field), Some(labels)) => Some((field.clone(), labels.clone())),
        (None, None) => None,
        _ => return Err("labels and label_field go together".to_owned()),
    };
    let range = match row.range {
        Some(range) => range,
        None if wire.is_text() => (0.0, 0.0),
        None => return Err("range is missing".to_owned()),
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
fn form(wire: WireType, row: &Row) -> Result<Form, String> {
    match (wire, row.low_offset, row.modulus, row.factor) {
        (_, None, None, None) => Ok(Form::Own),
        (WireType::Real, None, None, Some(factor)) if factor > 0 => Ok(Form::Scaled(factor)),
        (WireType::Ulint, Some(low_offset), Some(modulus), factor) if modulus > 1 && factor != Some(0) => {
            Ok(Form::Pair { low_offset, modulus, factor: factor.unwrap_or(1) })
        }
        _ => Err(
            "a REAL may have a factor, a ULINT in two REALs has low_offset, modulus (2 or more) and perhaps \
                  a factor"
                .to_owned(),
        ),
    }
}
