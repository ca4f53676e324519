//! telegraf-pm500-sparkplug before brokers and hosts that do not share our misunderstandings: Mosquitto, the host
//! application of Eclipse Tahu, pysparkplug, sparkplug-payload, and a real Telegraf.

mod bench;
mod broker;
mod host;
mod outage;
mod telegraf;
mod values;
