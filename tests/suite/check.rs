//! `check` looks more than once where once does not tell, and no more often than the plugin may.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use telegraf_pm500::simulator::{Line, LineOptions, Options};

use crate::common::peer::scratch;
use crate::common::program::{Ended, config, run};
use crate::common::reading::meter;
use crate::common::relay::{Answer, Framing, Relay};
use crate::common::simulated::own_network;

/// No table is read more often.
const APART: Duration = Duration::from_millis(200);

/// Checks the meter behind a Modbus address, with these options: what was said, and how often each block was read.
async fn checked(name: &str, address: SocketAddr, options: &str) -> (Ended, Vec<usize>) {
    let relay = Relay::start(address, Framing::Modbus).await;
    let asked: Arc<Mutex<BTreeMap<Vec<u8>, Vec<Instant>>>> = Arc::default();
    let asking = asked.clone();
    relay.spoil(move |exchange| {
        // Behind the transaction: the unit, the function and the registers. The reply is there, and not yet passed on.
        let block = exchange.request[6..].to_vec();
        asking.lock().unwrap().entry(block).or_default().push(Instant::now());
        Answer::True
    });
    let meter = format!("address = \"modbus://{}\"\n{options}", relay.address);
    let text = format!("[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\n{meter}\n");
    let config = config(&scratch(name), &text);
    let check = move || run(&["check", "--config", config.to_str().unwrap()]);
    let said = tokio::task::spawn_blocking(check).await.unwrap();
    let asked = asked.lock().unwrap();
    for (block, times) in &*asked {
        let apart: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(apart.iter().all(|apart| *apart >= APART), "{block:x?}: {apart:?}");
    }
    (said, asked.values().map(Vec::len).collect())
}

#[tokio::test]
async fn a_map_is_looked_at_again_until_it_is_sure_and_no_table_twice_in_200_ms() {
    let meter = meter(Options::default()).await;
    let (said, reads) = checked("check_map", meter.modbus(), "word_order = \"high_first\"").await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(reads.contains(&3), "a verdict takes three readings: {reads:?}");
}

#[tokio::test]
async fn a_round_on_a_line_is_measured_by_a_reading_of_its_own_and_no_table_twice_in_200_ms() {
    let gateway = Some(SocketAddr::from((own_network(), 0)));
    let line = Line::start(LineOptions { units: 1, gateway, ..LineOptions::default() }).await.unwrap();
    let (said, reads) = checked("check_line", line.gateway().unwrap(), "unit_id = 1").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(reads.contains(&2), "{reads:?}");
}
