//! `lab bench`: a whole run of the runner under Firecracker beside a bare Firecracker that boots
//! the same kernel and initramfs to a program that restarts it at once.
//!
//! This side runs at the place.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;

use super::arguments::Contest;
use crate::bench::ending;
use crate::bench::rounds::{Contestant, take_turns};
use crate::bench::statistics::{Samples, ratio, table};
use crate::process::{capture, command};
use crate::runner::NO_TUNING;

/// The machine that the runner makes unless it is told otherwise.
const VIRTUAL_CPUS: u32 = 1;
const MEMORY_MEBIBYTES: u32 = 512;

/// What the kernel says when it restarts.
const RESTARTED: &str = "reboot: Restarting system";

/// Runs the contest and returns what was measured, as Markdown.
///
/// # Errors
///
/// When the runner has no Firecracker sandbox, or a contestant fails.
pub(crate) fn run(contest: &Contest) -> anyhow::Result<String> {
    let help = capture(command(&contest.runner).args(["run", "--help"]))?;
    ensure!(
        has_firecracker(&String::from_utf8_lossy(&help)),
        "this runner has no `--sandbox firecracker`: there is nothing to measure"
    );
    // The kernels of the cache, and nothing else: the only initramfs will be Firecracker's.
    let cache = contest.work.join("cache");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    symlink(contest.cache.join("kernels"), cache.join("kernels"))
        .with_context(|| format!("cannot make a link in {}", cache.display()))?;
    let runner = || {
        let mut runner = command(&contest.runner);
        runner
            .env("BENCHER_RUNNER_CACHE_DIR", &cache)
            .env("BENCHER_RUNNER_STATE_DIR", contest.work.join("state"))
            // The bare Firecracker runs on the same host.
            .env(NO_TUNING, "1");
        runner
    };
    let run = |words: &[&str]| {
        let mut run = runner();
        run.args([
            "--quiet",
            "run",
            "--sandbox",
            "firecracker",
            "--firecracker",
        ])
        .arg(&contest.firecracker)
        .arg("--image")
        .arg(&contest.image)
        .arg("--")
        .args(words);
        run
    };
    // Fills the cache, too.
    let parameters = capture(&mut run(&["cat", "/proc/cmdline"]))?;
    let parameters = String::from_utf8_lossy(&parameters).into_owned();
    let kernel = capture(runner().args(["kernel", "fetch"]))?;
    let kernel = PathBuf::from(String::from_utf8_lossy(&kernel).trim());
    let bare = Bare::prepare(
        contest,
        &kernel,
        &only_file(&cache.join("initramfs"))?,
        &parameters,
    )?;
    let measured = take_turns(
        contest.rounds,
        vec![
            Contestant::timed("bare Firecracker that restarts at once", |_| bare.boot()),
            Contestant::timed("`runner run --sandbox firecracker … echo hello`", |_| {
                let printed = capture(&mut run(&["echo", "hello"]))?;
                ensure!(printed == b"hello\n", "the run printed {printed:?}");
                Ok(())
            }),
        ],
    )?;
    render(&measured)
}

/// Whether the help of `runner run` offers the sandbox.
fn has_firecracker(help: &str) -> bool {
    help.lines()
        .skip_while(|line| !line.trim_start().starts_with("--sandbox "))
        .take_while(|line| !line.trim_start().starts_with("--vcpus"))
        .any(|line| line.contains("firecracker"))
}

fn only_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    match <[PathBuf; 1]>::try_from(files) {
        Ok([only]) => Ok(only),
        Err(files) => bail!(
            "{} holds {} files instead of one",
            folder.display(),
            files.len()
        ),
    }
}

/// Firecracker with a configuration file and nothing around it.
#[derive(Debug)]
struct Bare {
    firecracker: PathBuf,
    configuration: PathBuf,
}

impl Bare {
    /// Puts the program into a copy of the initramfs and boots it once, seen by its console.
    fn prepare(
        contest: &Contest,
        kernel: &Path,
        initramfs: &Path,
        parameters: &str,
    ) -> anyhow::Result<Self> {
        let own = contest.work.join("initramfs");
        fs::copy(initramfs, &own)
            .with_context(|| format!("cannot copy {}", initramfs.display()))?;
        ending::append(&contest.ending, &own)?;
        let silent = parameters_of(parameters, false);
        let write = |name: &str, parameters: &str| -> anyhow::Result<PathBuf> {
            let path = contest.work.join(name);
            let text = configuration(kernel, &own, parameters);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        let aloud = Self {
            firecracker: contest.firecracker.clone(),
            configuration: write("aloud.json", &parameters_of(parameters, true))?,
        };
        let console = capture(&mut aloud.command())?;
        let console = String::from_utf8_lossy(&console);
        // A kernel that can not start the program panics, which ends the machine as well.
        ensure!(
            console.contains(RESTARTED),
            "the bare machine did not come to its program:\n{console}"
        );
        Ok(Self {
            configuration: write("silent.json", &silent)?,
            ..aloud
        })
    }

    fn command(&self) -> Command {
        let mut firecracker = command(&self.firecracker);
        firecracker
            .args(["--no-api", "--config-file"])
            .arg(&self.configuration);
        firecracker
    }

    fn boot(&self) -> anyhow::Result<()> {
        capture(&mut self.command()).map(|_| ())
    }
}

fn configuration(kernel: &Path, initramfs: &Path, parameters: &str) -> String {
    json!({
        "boot-source": {
            "kernel_image_path": kernel,
            "initrd_path": initramfs,
            "boot_args": parameters,
        },
        "drives": [],
        "machine-config": {
            "vcpu_count": VIRTUAL_CPUS,
            "mem_size_mib": MEMORY_MEBIBYTES,
        },
    })
    .to_string()
}

/// The runner's kernel parameters for a machine without its devices; `aloud` for one whose console
/// can be read.
fn parameters_of(parameters: &str, aloud: bool) -> String {
    let mut kept: Vec<&str> = parameters
        .split_ascii_whitespace()
        .filter(|word| {
            let name = word.split('=').next().unwrap_or_default();
            // Firecracker itself adds devices, and `pci`.
            let gone = matches!(
                name,
                "virtio_mmio.device" | "pci" | "root" | "rdinit" | "init"
            );
            let silences = matches!(name, "console" | "8250.nr_uarts");
            !(gone || aloud && silences)
        })
        .collect();
    if !kept.iter().any(|word| word.starts_with("reboot=")) {
        kept.push("reboot=k");
    }
    if aloud {
        kept.push("console=ttyS0");
    }
    let mut text = kept.join(" ");
    let _ = write!(text, " rdinit=/{}", ending::NAME);
    text
}

fn render(measured: &[(String, Samples)]) -> anyhow::Result<String> {
    let [(_, bare), (_, runner)] = measured else {
        bail!("contestants are missing");
    };
    let mut text = String::from("### Warm: `echo hello` in Firecracker\n\n");
    let _ = writeln!(text, "{}", table("s", 2, measured));
    let _ = writeln!(
        text,
        "- A whole run takes **{}** as long as the bare machine (goal: at most 1.15×).",
        ratio(runner, bare)
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_whether_there_is_firecracker() {
        let help = |values: &str| {
            format!(
                "Machine:\n      --sandbox <SANDBOX>\n          The kind of machine\n          \
                 [possible values: {values}]\n      --vcpus <N>\n          not firecracker\n"
            )
        };
        assert!(has_firecracker(&help("auto, firecracker, qemu, none")));
        assert!(!has_firecracker(&help("auto, qemu, none")));
        assert!(!has_firecracker("firecracker"));
    }

    #[test]
    fn parameters_stay_but_for_devices_and_the_program() {
        let given = "quiet panic=-1 8250.nr_uarts=0 rdinit=/init pci=off root=/dev/vda \
                     virtio_mmio.device=4K@0xd0000000:5\n";
        assert_eq!(
            parameters_of(given, false),
            "quiet panic=-1 8250.nr_uarts=0 reboot=k rdinit=/ending"
        );
        assert_eq!(
            parameters_of(given, true),
            "quiet panic=-1 reboot=k console=ttyS0 rdinit=/ending"
        );
        assert_eq!(parameters_of("reboot=t", false), "reboot=t rdinit=/ending");
    }

    #[test]
    fn the_configuration_is_firecrackers() {
        let text = configuration(Path::new("/k"), Path::new("/i"), "quiet");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["boot-source"]["kernel_image_path"], "/k");
        assert_eq!(value["boot-source"]["boot_args"], "quiet");
        assert_eq!(value["machine-config"]["mem_size_mib"], 512);
    }

    #[test]
    fn the_ratio_stands_beside_its_goal() {
        let of = |name: &str, values: &[f64]| {
            let samples = Samples::new(values.to_vec()).expect("there are some");
            (name.to_owned(), samples)
        };
        let measured = [of("bare", &[4.0, 4.1, 4.2]), of("runner", &[4.4, 4.5, 4.6])];
        insta::assert_snapshot!(render(&measured).expect("complete"), @r"
        ### Warm: `echo hello` in Firecracker

        | | median (s) | least – greatest | ratio |
        |---|---:|---:|---:|
        | bare | 4.10 | 4.00 – 4.20 | 1.00× |
        | runner | 4.50 | 4.40 – 4.60 | 1.10× |

        - A whole run takes **1.10×** as long as the bare machine (goal: at most 1.15×).
        ");
        assert!(render(&measured[..1]).is_err());
    }
}
