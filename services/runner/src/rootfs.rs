//! `runner rootfs`.

use bencher_runner::run::build_to_file;

use crate::FAILED;
use crate::arguments::{Global, Rootfs, RootfsCommand};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Rootfs, global: &Global, terminal: &Terminal) -> u8 {
    let RootfsCommand::Build { image, disk, out } = &arguments.command;
    let directories = crate::run::directories(global);
    match build_to_file(image, *disk, out, &directories, terminal) {
        Ok(()) => 0,
        Err(error) => {
            terminal.error(&error.to_string());
            FAILED
        }
    }
}
