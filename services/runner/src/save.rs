//! `runner save`.

use bencher_oci::Platform;
use bencher_runner::images::save_image;

use crate::arguments::{Global, Save};
use crate::terminal::Terminal;
use crate::work;

pub(crate) fn run(arguments: Save, global: &Global, terminal: Terminal) -> u8 {
    let directories = crate::spec::directories(global);
    let platform = arguments.platform.unwrap_or_else(Platform::host);
    work::run(terminal, move |_, cancel| {
        let (image, file) = (&arguments.image, &arguments.file);
        save_image(image, &platform, file, &directories, cancel.flag())
    })
}
