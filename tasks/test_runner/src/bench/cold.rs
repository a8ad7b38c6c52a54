//! An image that was never seen to an ext4 root filesystem.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;

use super::peak::Traced;
use super::rounds::{Contestant, take_turns};
use super::statistics::{Samples, ratio, table};
use super::{Arena, inflate};
use crate::console;
use crate::images::{self, Image};
use crate::prerequisites::find;
use crate::process::{capture, command};

/// The size of the root filesystem.
const DISK: &str = "2GiB";

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Cold: OCI image to ext4 root filesystem");
    let image = images::path(arena.workspace, Image::Large);
    let layers = inflate::largest_first(&image)?;
    let mut compressed = 0;
    for layer in &layers {
        // Every contestant finds the layers in the page cache.
        std::io::copy(&mut File::open(layer)?, &mut std::io::sink())?;
        compressed += inflate::size(layer)?;
    }
    let build = |out: &Path| {
        let mut build = arena.runner.command();
        build
            .args(["--quiet", "rootfs", "build", "--disk", DISK, "--image"])
            .arg(&image)
            .arg("--out")
            .arg(out);
        build
    };
    let mut contestants = vec![
        Contestant::program("`runner`: image to ext4", |round| {
            build(&arena.folder.join(format!("runner-{round}.ext4")))
        }),
        Contestant::timed("`umoci raw unpack`, then `mke2fs -d`", |round| {
            unpack_and_make(&arena.folder, &image, round)
        }),
    ];
    contestants.extend(inflate::contestants(arena.workspace, &layers)?);
    let measured = take_turns(arena.rounds, contestants)?;

    console::note("peak memory");
    let resident = Traced::start(&build(&arena.folder.join("peak.ext4")), Stdio::null())?
        .resident_mebibytes()?;
    #[expect(clippy::cast_precision_loss, reason = "shown without decimals")]
    let compressed = compressed as f64 / f64::from(1 << 20);
    render(&measured, layers.len(), compressed, resident)
}

/// What one does without the runner.
fn unpack_and_make(folder: &Path, image: &Path, round: u32) -> anyhow::Result<()> {
    let tree = folder.join(format!("umoci-{round}"));
    let mut source = image.as_os_str().to_owned();
    source.push(":latest");
    capture(
        command("umoci")
            .args(["raw", "unpack", "--image"])
            .arg(source)
            .arg(&tree),
    )?;
    let out = folder.join(format!("umoci-{round}.ext4"));
    let mke2fs = find("mke2fs").context("mke2fs is not installed")?;
    capture(
        command(mke2fs)
            .args(["-q", "-t", "ext4", "-d"])
            .arg(tree)
            .arg(&out)
            .arg(DISK.trim_end_matches("iB")),
    )?;
    fs::metadata(&out).with_context(|| format!("mke2fs made no {}", out.display()))?;
    Ok(())
}

fn render(
    measured: &[(String, Samples)],
    layers: usize,
    compressed: f64,
    resident: f64,
) -> anyhow::Result<String> {
    let [(_, ours), (_, peers), bounds @ ..] = measured else {
        anyhow::bail!("contestants are missing");
    };
    let fastest_of = |prefix: &str| {
        bounds
            .iter()
            .filter_map(|(name, samples)| Some((name.strip_prefix(prefix)?, samples)))
            .min_by(|(_, one), (_, other)| one.median().total_cmp(&other.median()))
            .context("nobody decompressed")
    };
    let (bound, fastest) = fastest_of(inflate::TO_NOWHERE)?;
    let (_, verified) = fastest_of(inflate::VERIFIED)?;
    let mut text = String::from("### Cold: OCI image to ext4 root filesystem\n\n");
    let _ = writeln!(
        text,
        "{layers} gzip layers, {compressed:.0} MiB compressed, 650 MiB uncompressed, 34,000 \
         entries, one folder of 20,000 files.\n\n{}",
        table("s", 2, measured)
    );
    let _ = writeln!(
        text,
        "- umoci and mke2fs take **{}** as long as the runner (goal: at least 4×).",
        ratio(peers, ours)
    );
    let _ = writeln!(
        text,
        "- The runner takes **{}** as long as the fastest decompression alone, {bound} (goal: at \
         most 1.6×), and **{}** as long as decompressing and verifying, without writing anything.",
        ratio(ours, fastest),
        ratio(ours, verified),
    );
    let _ = writeln!(
        text,
        "- The runner's peak memory is **{resident:.0} MiB** (goal: at most 64 MiB)."
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conclusions_follow_from_medians() {
        let of = |name: &str, value: f64| {
            (
                name.to_owned(),
                Samples::new(vec![value]).expect("there is one"),
            )
        };
        let measured = [
            of("ours", 3.0),
            of("theirs", 45.0),
            of("inflate to nowhere: a", 2.5),
            of("inflate to nowhere: b", 2.0),
            of("inflate to nowhere, SHA-256 of blobs and contents: b", 2.4),
        ];
        insta::assert_snapshot!(render(&measured, 4, 242.4, 45.6).expect("complete"));
        assert!(render(&measured[..2], 4, 1.0, 1.0).is_err());
    }
}
