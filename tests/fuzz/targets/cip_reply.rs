//! The data of a SendRRData reply: items, CIP reply, and what a good one carries: identity, size, an assembly.

use telegraf_pm500::enip::identity;
use telegraf_pm500::enip::message::Read;
use telegraf_pm500::meter::{Profile, Readings, Value, decode, physics};

/// Whatever comes, no value is outside its row's range, and every refusal has its sentence.
pub(crate) fn run(data: &[u8]) {
    let profile = Profile::built_in();
    let mut readings = Readings::new(profile.elements.len());
    for read in [Read::Identity, Read::AssemblySize(101)] {
        if let Ok(Ok(reply)) = read.decode(data) {
            assert!(reply.len() < data.len());
            if let Some(identity) = identity::decode(&reply) {
                let _ = identity.mismatch(&profile.identity);
                // The simulator says no more than 32 letters.
                if identity.product_name.chars().count() <= 32 {
                    assert_eq!(identity::decode(&identity::encode(&identity)), Some(identity));
                }
            }
        }
    }
    match Read::AssemblyData(101).decode(data) {
        Ok(Ok(reply)) => {
            for assembly in &profile.assemblies {
                let _ = decode::assembly(&profile, assembly.instance, &reply, &mut readings);
            }
        }
        Ok(Err(refusal)) => {
            assert!(!refusal.to_string().is_empty() && refusal.extended.len() * 2 < data.len());
            assert!(!telegraf_pm500::enip::refusal::explain(&refusal).0.is_empty());
        }
        Err(malformed) => assert!(!malformed.0.is_empty()),
    }
    for (index, element) in profile.elements.iter().enumerate() {
        let number = match readings.get(index) {
            Some(Value::Real(value)) => f64::from(*value),
            Some(Value::Integer(value)) => *value as f64,
            Some(Value::Text(_)) | None => continue,
        };
        assert!((element.range.0..=element.range.1).contains(&number), "{} is {number}", element.name);
    }
    let map = physics::Map::new(&profile);
    let _ = physics::judge(&map, &physics::Numbers::of(&map, &readings), &physics::Known::default());
}
