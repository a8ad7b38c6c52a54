//! `runner kernel`.

use std::io::Write as _;

use bencher_runner::kernel::{KernelSource, KernelStore, find};

use crate::FAILED;
use crate::arguments::{Global, Kernel, KernelCommand};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Kernel, global: &Global, terminal: &Terminal) -> u8 {
    let KernelCommand::Fetch = arguments.command;
    let store = KernelStore::new(&crate::run::directories(global).cache);
    match find(&KernelSource::Any, &store, terminal) {
        Ok(kernel) => match writeln!(std::io::stdout(), "{}", kernel.image.display()) {
            Ok(()) => 0,
            Err(error) => {
                terminal.error(&format!("failed to print the kernel's path: {error}"));
                FAILED
            }
        },
        Err(error) => {
            terminal.error(&error.to_string());
            FAILED
        }
    }
}
