//! `bencher-server install-service`.

mod options;
mod unit;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bencher_unit::{Hidden, Restarts, variable};

use crate::Done;
use crate::arguments::InstallService;
use unit::Unit;

/// The variable of the database's address.
const DATABASE: &str = "BENCHER_SERVER_DATABASE";
/// What the environment may hold for the storage of outputs.
const STORAGE: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

pub(crate) fn run(arguments: &InstallService) -> Done {
    let program = std::env::current_exe()?;
    let outputs = options::check(&arguments.options, arguments.user.is_some())?;
    let places: Vec<_> = [program.clone()]
        .into_iter()
        .chain(outputs.clone())
        .collect();
    let hidden = Hidden::of(&places);
    for warning in hidden.warnings() {
        warn(&warning);
    }
    if !is_for_everybody(&program) {
        warn(&format!(
            "{} can not be started by the service's user: move it to /usr/local/bin, and install the service \
             from there",
            program.display()
        ));
    }
    let unit = Unit {
        program: &program,
        environment: &arguments.environment,
        user: arguments.user.as_deref(),
        outputs: outputs.as_deref(),
        options: &arguments.options,
        hidden: &hidden,
        restarts: Restarts::here(),
    }
    .text()?;
    let secrets = secrets(arguments.database.as_deref());
    if arguments.dry_run {
        let names: Vec<_> = secrets
            .iter()
            .map(|(name, _)| format!("{name}=…\n"))
            .collect();
        let text = format!(
            "# {}\n{unit}\n# {} (readable by root alone)\n{}",
            arguments.unit.display(),
            arguments.environment.display(),
            names.concat(),
        );
        // Nobody reads it any more: there is nobody to tell.
        let _closed = io::stdout().lock().write_all(text.as_bytes());
        return Ok(());
    }
    let is_new = !arguments.environment.exists();
    if is_new || !secrets.is_empty() {
        let lines: Result<String, _> = secrets
            .iter()
            .map(|(name, value)| variable(name, value))
            .collect();
        bencher_unit::write(&arguments.environment, &lines?, 0o600)?;
    }
    bencher_unit::write(&arguments.unit, &unit, 0o644)?;
    let name = arguments.unit.file_name().unwrap_or_default();
    tell(&format!(
        "{} {}, wrote {}; start it with: systemctl daemon-reload && systemctl enable --now {}",
        if is_new || !secrets.is_empty() {
            "wrote"
        } else {
            "kept"
        },
        arguments.environment.display(),
        arguments.unit.display(),
        name.display(),
    ));
    Ok(())
}

/// The variables that the service gets, with their values.
fn secrets(database: Option<&str>) -> Vec<(&'static str, String)> {
    let database = database.map(|address| (DATABASE, address.to_owned()));
    let storage = STORAGE
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)));
    database.into_iter().chain(storage).collect()
}

/// Whether any user may start the program.
fn is_for_everybody(program: &Path) -> bool {
    let others = |path: &Path| {
        let metadata = fs::metadata(path);
        metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    };
    program.ancestors().all(others)
}

fn warn(text: &str) {
    tell(&format!("warning: {text}"));
}

/// What is not the text that was asked for is for standard error.
fn tell(text: &str) {
    let _unread = writeln!(io::stderr(), "{text}");
}
