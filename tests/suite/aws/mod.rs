//! What telegraf/aws makes in AWS IoT Core, as far as it can be proven without AWS: a simulation of AWS carries the script
//! out, linters judge template and policies, HashiCorp's library reads the Terraform files, and a broker that lets
//! through what the policy allows has a real Telegraf before it. `tests/run.sh` sets them up and runs this.

mod broker;
mod limits;
mod policy;
mod script;
mod template;
mod terraform;
