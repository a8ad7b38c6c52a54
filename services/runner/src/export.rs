//! `runner export`.

use std::path::Path;

use bencher_report::bencher_metric_format;
use bencher_report::comparison::Input;
use bencher_report::text::shell_line;

use crate::arguments::{Export, ExportFormat};
use crate::terminal::Terminal;
use crate::{FAILED, compare, output};

pub(crate) fn run(arguments: &Export, terminal: &Terminal) -> u8 {
    match attempt(arguments) {
        Ok(()) => 0,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(arguments: &Export) -> Result<(), String> {
    if arguments.name.is_some() && arguments.files.len() > 1 {
        return Err(
            "--name is for one file: give `runner run --label` to tell several apart".to_owned(),
        );
    }
    let named = |file: &Path| -> Result<Input, String> {
        let mut input = compare::recorded(file, arguments.adapter.as_ref())?;
        let result = &input.result;
        let command = result.setup.as_ref().map(|setup| &setup.command);
        let of_command = command.map(|command| shell_line(&command.arguments));
        let name = arguments.name.clone().or_else(|| result.label.clone());
        input.label = name.or(of_command).unwrap_or(input.label);
        Ok(input)
    };
    let inputs = arguments.files.iter().map(|file| named(file));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    match arguments.to {
        ExportFormat::Bencher => {
            let benchmarks = bencher_metric_format(&inputs).map_err(|error| error.to_string())?;
            output::text(&output::json(&benchmarks)?)
        }
    }
}
