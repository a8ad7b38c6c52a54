//! `echo hello` with everything in the cache.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::Arena;
use super::bare::Bare;
use super::rounds::{Contestant, take_turns};
use super::statistics::{Samples, ratio, table};
use crate::console;
use crate::images::{self, Image};
use crate::prerequisites;
use crate::process::describe;
use crate::report::Report;

/// What the spans of each run said, in milliseconds.
#[derive(Debug, Default)]
struct Spans {
    start: Vec<f64>,
    copy: Vec<f64>,
    exit: Vec<f64>,
}

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Warm: echo hello");
    let image = images::path(arena.workspace, Image::Busybox);
    let result = arena.folder.join("warm.json");
    let runner = || {
        let mut run = arena.runner.command();
        // The same emulator for both: KVM would hide what the runner itself takes.
        run.args(["--quiet", "run", "--accelerator", "tcg", "--image"])
            .arg(&image)
            .arg("--result")
            .arg(&result);
        run
    };
    let hello = |mut command: Command| {
        command.args(["--", "echo", "hello"]);
        command
    };
    let qemu = prerequisites::qemu()?;
    // The first run also fills the cache.
    let bare = {
        let run = hello_through_cmd(runner());
        Bare::like(arena, &qemu, run)?
    };
    let spans = RefCell::new(Spans::default());
    let measured = take_turns(
        arena.rounds,
        vec![
            Contestant::timed("bare QEMU that powers off at once", |_| bare.boot()),
            Contestant::new("`runner run … echo hello`", |_| {
                let (total, after_output) = time_hello(hello(runner()))?;
                let report = Report::read(&result)?;
                let measured = &report.only()?.spans;
                let mut spans = spans.borrow_mut();
                spans.start.push(measured.until_machine());
                spans.copy.push(measured.copy);
                spans.exit.push(after_output * 1e3);
                Ok(total)
            }),
        ],
    )?;
    render(&measured, spans.into_inner())
}

/// The same command in the form that allows options after it.
fn hello_through_cmd(mut command: Command) -> Command {
    command.args(["--cmd", "echo", "--cmd", "hello"]);
    command
}

/// Runs `command` and returns how long it took, and how much of that was after its output came,
/// both in seconds.
fn time_hello(mut command: Command) -> anyhow::Result<(f64, f64)> {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{}`", describe(&command)))?;
    let mut stdout = child.stdout.take().context("its output is not a pipe")?;
    let mut output = [0; 6];
    stdout
        .read_exact(&mut output)
        .with_context(|| format!("`{}` printed too little", describe(&command)))?;
    let printed = Instant::now();
    let status = child.wait()?;
    let ended = Instant::now();
    ensure!(
        &output == b"hello\n" && status.success(),
        "`{}` printed {output:?} and ended with {status}",
        describe(&command)
    );
    Ok((
        (ended - started).as_secs_f64(),
        (ended - printed).as_secs_f64(),
    ))
}

fn render(measured: &[(String, Samples)], spans: Spans) -> anyhow::Result<String> {
    let [(_, bare), (_, runner)] = measured else {
        anyhow::bail!("contestants are missing");
    };
    let mut text = String::from("### Warm: `echo hello` under TCG\n\n");
    let _ = writeln!(text, "{}", table("s", 2, measured));
    let _ = writeln!(
        text,
        "- A whole run takes **{}** as long as the bare machine (goal: at most 1.2×).\n",
        ratio(runner, bare)
    );
    let mut rows = Vec::new();
    for (name, values) in [
        ("process start to VMM start, without the copy", spans.start),
        ("copy of the root filesystem", spans.copy),
        ("the command's output to the runner's exit", spans.exit),
    ] {
        rows.push((
            name.to_owned(),
            Samples::new(values).context("nothing was measured")?,
        ));
    }
    text.push_str("| | median (ms) | goal |\n|---|---:|---:|\n");
    for ((name, samples), goal) in rows.iter().zip(["≤ 60", "–", "≤ 100"]) {
        let _ = writeln!(text, "| {name} | {:.1} | {goal} |", samples.median());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_stand_beside_their_goals() {
        let of = |name: &str, values: &[f64]| {
            let samples = Samples::new(values.to_vec()).expect("there are some");
            (name.to_owned(), samples)
        };
        let measured = [of("bare", &[2.0, 2.1, 2.2]), of("runner", &[2.3, 2.4, 2.5])];
        let spans = Spans {
            start: vec![12.0, 14.0, 13.0],
            copy: vec![1.0],
            exit: vec![80.0, 90.0],
        };
        insta::assert_snapshot!(render(&measured, spans).expect("complete"));
        assert!(render(&measured, Spans::default()).is_err());
    }

    #[test]
    fn another_output_is_no_run() {
        for script in ["printf hello", "echo HELLO", "echo hello; exit 3"] {
            let mut shell = crate::process::command("sh");
            shell.args(["-c", script]);
            assert!(time_hello(shell).is_err(), "{script}");
        }
        let mut shell = crate::process::command("echo");
        shell.arg("hello");
        let (total, after) = time_hello(shell).expect("it says hello");
        assert!(after <= total);
    }
}
