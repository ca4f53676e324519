//! A profile file, as a person writes it.

use telegraf_pm500::meter::{Profile, Readings, decode};

/// It is taken as a whole or refused in a sentence; what is taken can be read with.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Profile::parse(text) {
        Ok(profile) => {
            let mut readings = Readings::new(profile.elements.len());
            for assembly in &profile.assemblies {
                let bytes = vec![0x42; usize::from(assembly.min_size())];
                let _ = decode::assembly(&profile, assembly.instance, &bytes, &mut readings);
            }
        }
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
}
