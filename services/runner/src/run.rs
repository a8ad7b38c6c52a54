//! `runner run`.

use std::sync::Arc;

use bencher_runner::run::{LiveOutput, run as run_image};
use bencher_runner::{Interrupts, Reporter};

use crate::arguments::{Format, Global, Run};
use crate::spec::{Task, spec};
use crate::terminal::Terminal;
use crate::{FAILED, Start, work};

pub(crate) fn run(arguments: &Run, global: &Global, start: Start, terminal: Terminal) -> u8 {
    let terminal = Arc::new(terminal);
    match attempt(arguments, global, start, &terminal) {
        Ok(code) => code,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(
    arguments: &Run,
    global: &Global,
    start: Start,
    terminal: &Arc<Terminal>,
) -> Result<u8, String> {
    let task = Task {
        image: &arguments.image,
        command: &arguments.trailing,
        goal: arguments
            .benchmark
            .precision
            .goal(arguments.iter, arguments.metric.clone()),
        live: match arguments.format {
            Format::Human => LiveOutput::Both,
            Format::Json => LiveOutput::Document,
        },
        output_folder: arguments.output_dir.clone(),
        result_file: arguments.result.clone(),
        label: arguments.label.clone(),
    };
    let spec = spec(task, &arguments.benchmark, global, start)?;
    let reporter: Arc<dyn Reporter> = Arc::<Terminal>::clone(terminal);
    let outcome = work::asynchronously(async || {
        let mut interrupts = Interrupts::catch()?;
        Ok(run_image(spec, &mut interrupts, reporter).await)
    })?;
    if let Some(error) = outcome.error {
        terminal.error(&error.to_string());
    }
    Ok(outcome.exit_code)
}
