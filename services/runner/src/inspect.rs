//! `runner inspect`.

use bencher_oci::Platform;
use bencher_runner::images::{ImageReport, open_image};

use crate::FAILED;
use crate::arguments::{Global, Inspect};
use crate::output;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Inspect, global: &Global, terminal: &Terminal) -> u8 {
    match attempt(arguments, global) {
        Ok(()) => 0,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(arguments: &Inspect, global: &Global) -> Result<(), String> {
    let directories = crate::spec::directories(global);
    let platform = arguments.platform.clone().unwrap_or_else(Platform::host);
    let image =
        open_image(&arguments.image, &platform, &directories).map_err(|error| error.to_string())?;
    let report = ImageReport::of(&image, &arguments.image.to_string_lossy());
    output::print(&report, arguments.json, ToString::to_string)
}
