//! `runner pull`.

use bencher_runner::images::pull_image;

use crate::FAILED;
use crate::arguments::{Global, Pull, When};
use crate::terminal::Terminal;
use crate::{output, work};

pub(crate) fn run(arguments: &Pull, global: &Global, terminal: Terminal) -> u8 {
    let choice = match arguments.registry.choice(&arguments.image, When::Always) {
        Ok(choice) => choice,
        Err(message) => {
            terminal.error(&message);
            return FAILED;
        }
    };
    let directories = crate::spec::directories(global);
    work::run(terminal, move |terminal, cancel| {
        let digest = pull_image(&choice, &directories, terminal, cancel)
            .map_err(|error| error.to_string())?;
        output::line(&digest)
    })
}
