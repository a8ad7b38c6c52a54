//! `runner run` in real microVMs: what the command produces comes back exactly.

mod command;
mod machine;
mod output;
mod stopping;

use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Image, Ran, Runner};

/// Runs a shell script in a plain busybox image.
fn script(arguments: &[&str], script: &str) -> Ran {
    let mut words = arguments.to_vec();
    words.extend(["--", "sh", "-c", script]);
    Runner::new().run(&Image::new(&json!({})), &words)
}

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

fn kvm() -> bool {
    bencher_runner::machine::kvm_state() == bencher_runner::machine::KvmState::Usable
}
