//! `runner save`.

use bencher_runner::images::save_image;

use crate::arguments::{Global, Save};
use crate::terminal::Terminal;
use crate::work;

pub(crate) fn run(arguments: Save, global: &Global, terminal: Terminal) -> u8 {
    let directories = crate::run::directories(global);
    work::run(terminal, move |_, cancel| {
        save_image(&arguments.image, &arguments.file, &directories, cancel)
    })
}
