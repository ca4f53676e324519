//! What happens to a listened connection is said although no table of it is due.

use telegraf_pm500::meter::Table;
use telegraf_pm500::source::Notice;
use telegraf_pm500::source::listen::Settings;
use tokio::time::Instant;

use crate::common::listening::{
    DEADLINE, EAGER, RPI, frozen, gather_until, listener, owner, owner_of, settings,
};
use crate::common::namespace::alone;
use crate::common::reading::{collector, gather, meter};

#[test]
fn a_connection_that_is_lost_is_said_at_the_next_gather_of_any_table() {
    alone(async {
        let meter = meter(frozen()).await;
        let first = owner(&meter, 1, owner_of(101, RPI)).await;
        let second = owner(&meter, 2, owner_of(108, RPI)).await;
        let settings = Settings { assemblies: vec![101, 108], waits: EAGER, ..settings() };
        let mut reading = listener(meter.eip(), settings, DEADLINE);
        reading.gather(&[Table::Realtime, Table::Alarm]).await;
        second.crash().await;
        // Alarm is not due for a long time.
        let lost = |notice: &Notice| matches!(notice, Notice::Lost { assembly: 108, .. });
        gather_until(&mut reading, &[Table::Realtime], "lost", move |reading| {
            reading.notices.iter().any(lost)
        })
        .await;
        let _second = owner(&meter, 2, owner_of(108, RPI)).await;
        let back = |notice: &Notice| matches!(notice, Notice::Heard { assembly: 108, again: true, .. });
        gather_until(&mut reading, &[Table::Realtime], "back", move |reading| {
            reading.notices.iter().any(back)
        })
        .await;
        reading.source.close().await;
        first.stop().await;
    });
}

#[test]
fn a_connection_that_is_lost_while_no_table_is_due_is_said_with_the_next_status_line() {
    alone(async {
        let meter = meter(frozen()).await;
        let plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let options = "connection = \"listen_only\"\ntables = [\"realtime\"]\ninterval = \"1h\"";
        let mut collector = collector(&format!("address = \"{}\"\n{options}", meter.eip()));
        let lines = gather(&mut collector, &[Table::Realtime]).await;
        assert_eq!(lines.one("powermonitor_500_status").text("connection"), "listen_only");
        plc.crash().await;
        let until = Instant::now() + DEADLINE;
        while gather(&mut collector, &[]).await.events("owner_lost").is_empty() {
            assert!(Instant::now() < until, "the lost owner is never said");
            tokio::time::sleep(RPI).await;
        }
        collector.close().await;
    });
}
