//! What a fault that comes and goes writes on stderr, which Telegraf keeps in its log.

use telegraf_pm500::simulator::Defects;

use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::simulated::Simulated;

#[test]
fn a_meter_that_flaps_is_counted_in_the_log_and_a_new_kind_of_fault_is_said_all_the_same() {
    let meters = Simulated::start(1);
    let text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"200ms\"\ntimeout = \"100ms\"\n\
         gather_timeout = \"150ms\"\n[[inputs.powermonitor_500.meter]]\nname = \"a\"\naddress = \"{}\"\n",
        meters.eip(0)
    );
    let path = config(&scratch("log_flapping"), &text);
    let mut program = Program::start(&["--config", path.to_str().unwrap()]);
    let mut stands = |up: i64| {
        program.wait_for("the meter", |line| line.is("a", "_status") && line.integer("up") == up);
    };
    for _ in 0..10 {
        stands(1);
        meters.break_it(0, Defects { silent: true, ..Defects::default() });
        stands(0);
        meters.break_it(0, Defects::default());
    }
    stands(1);
    let refused_assemblies = [101, 102, 108].map(|assembly| (assembly, 0x10)).into();
    meters.break_it(0, Defects { refused_assemblies, ..Defects::default() });
    program.wait_for_log("E! Meter \"a\": assembly 101");
    let ended = program.finish();
    let said: Vec<_> = ended.err.lines().filter(|line| line.contains("Meter \"a\"")).collect();
    let count = |text: &str| said.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("recovered after"), count("this comes and goes, 4 times")), (3, 1), "{said:#?}");
    assert!(said.len() <= 9, "{said:#?}");
}
