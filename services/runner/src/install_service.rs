//! `runner install-service`.

mod options;
mod unit;

use std::io::{self, Write as _};

use bencher_runner::Reporter as _;
use bencher_unit::{Hidden, Restarts};

use crate::FAILED;
use crate::arguments::InstallService;
use crate::terminal::Terminal;
use crate::up::runner_key;
use unit::{Environment, Unit};

pub(crate) fn run(arguments: InstallService, terminal: &Terminal) -> u8 {
    match attempt(arguments, terminal) {
        Ok(()) => 0,
        Err(error) => {
            terminal.error(&error.to_string());
            FAILED
        }
    }
}

fn attempt(
    mut arguments: InstallService,
    terminal: &Terminal,
) -> Result<(), Box<dyn std::error::Error>> {
    let key = runner_key(arguments.key.take(), arguments.key_file.as_deref())?;
    let program = std::env::current_exe()
        .map_err(|error| format!("this program does not know its own file: {error}"))?;
    let mut places = options::check(&arguments.options)?;
    places.push(program.clone());
    let hidden = Hidden::of(&places);
    for warning in hidden.warnings() {
        terminal.warning(&warning);
    }
    let unit = Unit {
        program: &program,
        environment: &arguments.environment,
        drain_timeout: arguments.drain_timeout,
        options: &arguments.options,
        hidden: &hidden,
        restarts: Restarts::here(),
    }
    .text()?;
    let environment = Environment {
        host: &arguments.host,
        runner: &arguments.runner,
    };
    if arguments.dry_run {
        let text = format!(
            "# {}\n{unit}\n# {} (readable by root alone)\n{}",
            arguments.unit.display(),
            arguments.environment.display(),
            environment.text("…")?,
        );
        // Nobody reads it any more: there is nobody to tell.
        let _closed = io::stdout().lock().write_all(text.as_bytes());
        return Ok(());
    }
    let secrets = environment.text(key.expose())?;
    bencher_unit::write(&arguments.environment, &secrets, 0o600)?;
    bencher_unit::write(&arguments.unit, &unit, 0o644)?;
    let name = arguments.unit.file_name().unwrap_or_default();
    terminal.info(&format!(
        "wrote {} and {}; start it with: systemctl daemon-reload && systemctl enable --now {}",
        arguments.unit.display(),
        arguments.environment.display(),
        name.display(),
    ));
    Ok(())
}
