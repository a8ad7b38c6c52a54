//! `runner setup`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use bencher_runner::jail::{Jail, JailError, JailPolicy, Strictness, UidRange};
use bencher_runner::kernel::{self, KernelSource, KernelStore};
use bencher_runner::machine::{
    Firecracker, KvmState, Qemu, firecracker_version, kvm_state, qemu_version,
};
use bencher_runner::setup::{fetch_firecracker, pinned_firecracker};
use bencher_runner::{PinnedUrl, Reporter, network};

use crate::arguments::{Global, Setup};
use crate::terminal::Terminal;
use crate::work;

/// Where releases of Firecracker are.
const RELEASES: &str = "https://github.com/firecracker-microvm/firecracker/releases";

pub(crate) fn run(arguments: Setup, global: &Global, terminal: Terminal) -> u8 {
    let cache = crate::spec::directories(global).cache;
    let url = arguments.firecracker_url;
    work::run(terminal, move |terminal, cancel| {
        set_up(url.as_ref(), &cache, terminal, cancel.flag())
    })
}

fn set_up(
    url: Option<&PinnedUrl>,
    cache: &Path,
    terminal: &Terminal,
    cancel: &AtomicBool,
) -> Result<(), String> {
    let firecracker = firecracker(url, cache, terminal, cancel);
    let kernel = kernel::find(
        &KernelSource::Any,
        &KernelStore::new(cache),
        terminal,
        cancel,
    );
    let qemu = Qemu::find(None);
    let can_boot = match (&firecracker, kvm_state()) {
        (Ok(_), KvmState::Usable) => true,
        _ => qemu.is_ok(),
    };
    let mut report = Report::default();
    report.row(
        "kernel",
        kernel.as_ref().map(|kernel| {
            let release = kernel.release.as_deref().unwrap_or("of unknown release");
            format!("{release}, {}", kernel.image.display())
        }),
    );
    report.row("firecracker", firecracker.clone());
    report.row(
        "qemu",
        qemu.as_ref().map(|program| {
            let version = qemu_version(program).unwrap_or_else(|| "of unknown version".to_owned());
            format!("{version}, {}", program.display())
        }),
    );
    report.row(
        "kvm",
        match kvm_state() {
            KvmState::Usable => Ok("usable".to_owned()),
            KvmState::Doubtful(reason) | KvmState::Unusable(reason) => Err(reason),
        },
    );
    let jail = jail(cache);
    report.row(
        "jail",
        jail.as_ref()
            .map_err(JailError::to_string)
            .and_then(completeness),
    );
    report.row(
        "network",
        jail.as_ref()
            .map_err(JailError::to_string)
            .and_then(network),
    );
    std::io::stdout()
        .write_all(report.0.as_bytes())
        .map_err(|error| format!("failed to print what there is: {error}"))?;
    match kernel {
        Err(_) => Err("there is no guest kernel: see above".to_owned()),
        Ok(_) if !can_boot => Err(
            "no VMM can be used here: Firecracker needs KVM, and QEMU is not installed (Debian: \
             apt-get install qemu-system-x86)"
                .to_owned(),
        ),
        Ok(_) => Ok(()),
    }
}

/// Firecracker's version and place, or why there is none and what to do.
fn firecracker(
    url: Option<&PinnedUrl>,
    cache: &Path,
    terminal: &Terminal,
    cancel: &AtomicBool,
) -> Result<String, String> {
    let describe = |program: &Path| match firecracker_version(program) {
        Some(version) => format!("{version}, {}", program.display()),
        None => format!("of unknown version, {}", program.display()),
    };
    if url.is_none()
        && let Ok(program) = Firecracker::find(None, cache)
    {
        let Err(error) = Firecracker::check(&program) else {
            return Ok(describe(&program));
        };
        terminal.warning(&format!(
            "{}: {error}: the one that is fetched is used with --firecracker, or once that one is \
             off PATH",
            program.display()
        ));
    }
    let pinned = pinned_firecracker();
    fetch_firecracker(url.unwrap_or(&pinned), cache, terminal, cancel)
        .map(|program| describe(&program))
        .map_err(|error| {
            terminal.warning(&format!(
                "{error}; where the network does not allow it, put a Firecracker from {RELEASES} \
                 on PATH, or name a mirror with --firecracker-url"
            ));
            "none".to_owned()
        })
}

fn jail(cache: &Path) -> Result<Jail, JailError> {
    let policy = JailPolicy {
        strictness: Strictness::Possible,
        uids: UidRange::default(),
    };
    Jail::new(policy, cache)
}

fn completeness(jail: &Jail) -> Result<String, String> {
    let state = jail.state();
    if state.complete {
        Ok("complete".to_owned())
    } else {
        Err(format!("lacks {}", state.missing.join("; ")))
    }
}

/// Whether guests can be given a network.
fn network(jail: &Jail) -> Result<String, String> {
    let obstacles: Vec<_> = network::obstacles(jail)
        .iter()
        .map(ToString::to_string)
        .collect();
    if obstacles.is_empty() {
        Ok("usable".to_owned())
    } else {
        Err(obstacles.join("; "))
    }
}

/// What there is, one row each.
#[derive(Default)]
struct Report(String);

impl Report {
    fn row<E: std::fmt::Display>(&mut self, name: &str, found: Result<String, E>) {
        let text = found.unwrap_or_else(|reason| format!("- ({reason})"));
        // Writing to a string does not fail.
        let _written = writeln!(self.0, "{name:<12} {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_is_there_and_what_is_not() {
        let mut report = Report::default();
        report.row("kernel", Ok::<_, String>("6.1".to_owned()));
        report.row("kvm", Err("no /dev/kvm"));
        assert_eq!(report.0, "kernel       6.1\nkvm          - (no /dev/kvm)\n");
    }
}
