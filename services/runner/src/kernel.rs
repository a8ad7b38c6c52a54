//! `runner kernel`.

use std::io::Write as _;

use bencher_runner::kernel::{KernelSource, KernelStore, find};

use crate::arguments::{Global, Kernel, KernelCommand};
use crate::terminal::Terminal;
use crate::work;

pub(crate) fn run(arguments: &Kernel, global: &Global, terminal: Terminal) -> u8 {
    let KernelCommand::Fetch = arguments.command;
    let store = KernelStore::new(&crate::spec::directories(global).cache);
    work::run(terminal, move |terminal, cancel| {
        let kernel = find(&KernelSource::Any, &store, terminal, cancel.flag())
            .map_err(|error| error.to_string())?;
        writeln!(std::io::stdout(), "{}", kernel.image.display())
            .map_err(|error| format!("failed to print the kernel's path: {error}"))
    })
}
