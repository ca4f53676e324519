//! The state file, as a crash, a disk or a person left it.

use telegraf_pm500::collector::state::State;

/// It is taken, or nothing before is known and it is said why; either way the program goes on and can save.
pub(crate) fn run(data: &[u8]) {
    let parent = ["/dev/shm", "/tmp"].into_iter().find(|directory| std::path::Path::new(directory).is_dir());
    let name = format!("telegraf-pm500-state-{}", std::process::id());
    let directory = std::path::Path::new(parent.expect("there is a temporary directory")).join(name);
    std::fs::create_dir_all(&directory).expect("the temporary directory can be written");
    let (path, meters) = (directory.join("state.json"), ["press-4".to_owned()]);
    std::fs::write(&path, data).expect("the temporary directory can be written");
    let (state, troubles) = State::open(&path, &meters);
    assert!(troubles.iter().all(|trouble| !trouble.to_string().is_empty()));
    if let Some(record) = state.record("press-4") {
        let mut changed = record.clone();
        changed.cip_serial_number ^= 1;
        state.remember("press-4", &changed);
        state.save().expect("the temporary directory can be written");
        drop(state);
        let (again, troubles) = State::open(&path, &meters);
        assert_eq!((again.record("press-4"), troubles.len()), (Some(changed), 0));
    }
    let _ = std::fs::remove_dir_all(&directory);
}
