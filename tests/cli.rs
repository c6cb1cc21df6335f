//! The command as its users meet it: what it prints, what it writes, how it exits.

#[path = "cli/attack.rs"]
mod attack;
#[path = "cli/auto.rs"]
mod auto;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/build.rs"]
mod build;
#[path = "cli/bundles.rs"]
mod bundles;
#[path = "cli/custom.rs"]
mod custom;
#[path = "cli/json.rs"]
mod json;
#[path = "cli/leftovers.rs"]
mod leftovers;
#[path = "cli/manual.rs"]
mod manual;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/verify.rs"]
mod verify;
