//! One GiB of standard output.

use std::fmt::Write as _;
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::Arena;
use super::peak::Traced;
use crate::console;
use crate::images::{self, Image};
use crate::report::Report;

/// How much is written, in bytes.
const AMOUNT: u64 = 1 << 30;

/// What is written again and again: 64 bytes, so that a block of 1 MiB holds whole lines.
const LINE: &[u8; 64] = b"The quick brown fox jumps over the lazy dog, and over it again.\n";

/// Writes it in large pieces: the guest's own work is not what is to be measured.
const SCRIPT: &str = "yes \"$1\" | head -c 1048576 >/tmp/block
count=0
while [ $count -lt $2 ]; do
    cat /tmp/block
    count=$((count + 1))
done";

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("One GiB of standard output");
    let image = images::path(arena.workspace, Image::Busybox);
    let result = arena.folder.join("stdout.json");
    let line = std::str::from_utf8(LINE)?.trim_end();
    let mut runner = arena.runner.command();
    runner
        .args(["--quiet", "run", "--image"])
        .arg(&image)
        .arg("--result")
        .arg(&result)
        .args(["--timeout", "1800", "--", "sh", "-c", SCRIPT, "sh", line])
        .arg((AMOUNT >> 20).to_string());
    let started = Instant::now();
    let mut runner = Traced::start(&runner, Stdio::piped())?;
    let stdout = runner.stdout().context("its output is not a pipe")?;
    let reader = thread::spawn(move || count_expected(stdout));
    let resident = runner.resident_mebibytes()?;
    let took = started.elapsed();
    let received = reader
        .join()
        .map_err(|_| anyhow::anyhow!("reading the output panicked"))??;
    ensure!(
        received == AMOUNT,
        "{received} of {AMOUNT} bytes arrived as they were written"
    );
    let report = Report::read(&result)?;
    let seconds = report
        .only()?
        .spans
        .command
        .context("the result lacks the command's time")?
        / 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let rate = AMOUNT as f64 / f64::from(1 << 20) / seconds;
    let machine = &report.machine;
    let mut text = String::from("### One GiB of standard output\n\n");
    let _ = writeln!(
        text,
        "- All {AMOUNT} bytes arrived, each as it was written, at **{rate:.0} MiB/s** \
         ({} {}; {:.0} s in all).",
        machine.sandbox,
        machine.accelerator,
        took.as_secs_f64()
    );
    let _ = writeln!(
        text,
        "- The runner's peak memory was **{resident:.0} MiB** (goal: at most 64 MiB)."
    );
    Ok(text)
}

/// How many bytes come that are [`LINE`] over and over.
fn count_expected(mut from: impl Read) -> std::io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    // One period more than fits, so that any part of the pattern is a slice of it.
    let pattern = LINE.repeat(buffer.len() / LINE.len() + 2);
    let mut count = 0_u64;
    loop {
        let length = match from.read(&mut buffer)? {
            0 => return Ok(count),
            length => length,
        };
        let phase = usize::try_from(count % LINE.len() as u64).unwrap_or_default();
        let expected = &pattern[phase..phase + length];
        if buffer[..length] == *expected {
            count += length as u64;
        } else {
            let equal = buffer.iter().zip(expected).take_while(|(a, b)| a == b);
            return Ok(count + equal.count() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_ends_at_the_first_wrong_byte() {
        let right = LINE.repeat(40_000);
        let all = right.len() as u64;
        assert_eq!(count_expected(&*right).expect("memory can be read"), all);
        let mut wrong = right.clone();
        wrong[2_000_000] ^= 1;
        assert_eq!(
            count_expected(&*wrong).expect("memory can be read"),
            2_000_000
        );
        assert_eq!(count_expected(&b""[..]).expect("memory can be read"), 0);
    }
}
