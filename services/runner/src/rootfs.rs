//! `runner rootfs`.

use bencher_runner::run::build_to_file;

use crate::FAILED;
use crate::arguments::{Global, Rootfs, RootfsCommand};
use crate::terminal::Terminal;
use crate::work;

pub(crate) fn run(arguments: Rootfs, global: &Global, terminal: Terminal) -> u8 {
    let RootfsCommand::Build {
        image,
        pull,
        registry,
        disk,
        out,
    } = arguments.command;
    let image = match registry.choice(&image, pull) {
        Ok(image) => image,
        Err(message) => {
            terminal.error(&message);
            return FAILED;
        }
    };
    let directories = crate::spec::directories(global);
    work::run(terminal, move |terminal, cancel| {
        build_to_file(&image, disk, &out, &directories, terminal, cancel)
    })
}
