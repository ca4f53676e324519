//! The state file, as a crash, a disk or a person left it.

use telegraf_pm500::collector::state::State;

/// It is taken, or nothing before is known and it is said why; either way the program goes on and can save.
pub(crate) fn run(data: &[u8]) {
    let directory =
        ["/dev/shm", "/tmp"].into_iter().find(|directory| std::path::Path::new(directory).is_dir());
    let name = format!("telegraf-pm500-state-{}.json", std::process::id());
    let path = std::path::Path::new(directory.expect("there is a temporary directory")).join(name);
    std::fs::write(&path, data).expect("the temporary directory can be written");
    let (state, problem) = State::open(&path);
    assert!(problem.is_none_or(|problem| !problem.is_empty()));
    if let Some(record) = state.record("press-4") {
        let mut changed = record.clone();
        changed.cip_serial_number ^= 1;
        state.remember("press-4", &changed);
        assert_eq!(state.save(), Ok(()));
        let (again, problem) = State::open(&path);
        assert_eq!((again.record("press-4"), problem), (Some(changed), None));
    }
    let _ = std::fs::remove_file(&path);
}
