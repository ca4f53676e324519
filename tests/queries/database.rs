//! The database itself, before anything is asked of it.

use crate::common::influxdb::InfluxDb;
use crate::common::peer::{dump, scratch};
use serde_json::json;

#[test]
fn a_dump_is_accepted_whole_and_integers_stay_integers() {
    let database = InfluxDb::start(&scratch("queries_database"));
    database.create("power");
    database.write("power", &dump(&["--simulated", "--count", "1"]));

    let types = database.field_types("power", "powermonitor_500_energy");
    assert_eq!(types["active_import_wh"], "integer");
    assert_eq!(database.field_types("power", "powermonitor_500")["frequency_hz"], "float");
    let up = database.query("power", "SELECT last(up) FROM powermonitor_500_status GROUP BY meter");
    assert_eq!(up.len(), 2, "{up:?}");
    assert_eq!(up[0].column("last"), [&json!(1)]);
    assert!(database.try_query("power", "SELECT nonsense(").is_err());
}
