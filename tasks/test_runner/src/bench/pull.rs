//! An image out of a registry: beside skopeo, and with its root filesystem in one go.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use test_support::{Registry, Setup};

use super::Arena;
use super::peak::Traced;
use super::rounds::{Contestant, take_turns};
use super::statistics::{Samples, ratio, table};
use crate::console;
use crate::images::{self, Image};
use crate::process::{capture, command};

/// The image's name in the registry.
const NAME: &str = "bench/large:1";

/// The size of the root filesystem.
const DISK: &str = "2GiB";

/// The contestants, in the table's order.
const PULL: &str = "`runner pull`";
const SKOPEO: &str = "`skopeo copy docker://… oci:…`";
const BUILD: &str = "`runner rootfs build` of what is in the store";
const BOTH: &str = "`runner rootfs build` of what is in the registry";
const INSPECT: &str = "`runner inspect` of what is in the store";

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Pull: registry to store, and to a root filesystem");
    let registry = Registry::start_in(&arena.folder.join("registry"), &Setup::default())?;
    let layout = images::path(arena.workspace, Image::Large);
    let source = format!("oci:{}", layout.display());
    registry.push(&source, NAME, &["--preserve-digests"])?;
    let image = format!("{}/{NAME}", registry.host());
    // Each time with an empty store.
    let fresh = |what: &str, round: u32| {
        let cache = arena.folder.join(format!("{what}-{round}"));
        arena.runner.with_cache(cache).command()
    };
    let full = arena.folder.join("full");
    let stocked = || arena.runner.with_cache(full.clone()).command();
    capture(stocked().args(["--quiet", "pull", &image]))?;
    let build = |mut runner: Command, out: PathBuf| {
        runner
            .args([
                "--quiet", "rootfs", "build", "--disk", DISK, "--image", &image,
            ])
            .arg("--out")
            .arg(out);
        runner
    };
    let contestants = vec![
        Contestant::program(PULL, |round| {
            let mut runner = fresh("pull", round);
            runner.args(["--quiet", "pull", &image]);
            runner
        }),
        Contestant::program(SKOPEO, |round| {
            let mut skopeo = command("skopeo");
            skopeo
                .args(["copy", "--quiet", "--src-tls-verify=false"])
                .arg(format!("docker://{image}"))
                .arg(format!(
                    "oci:{}",
                    arena.folder.join(format!("skopeo-{round}")).display()
                ));
            skopeo
        }),
        Contestant::program(BUILD, |round| {
            build(stocked(), arena.folder.join(format!("build-{round}.ext4")))
        }),
        Contestant::program(BOTH, |round| {
            let out = arena.folder.join(format!("both-{round}.ext4"));
            build(fresh("both", round), out)
        }),
        Contestant::program(INSPECT, |_| {
            let mut runner = stocked();
            runner.args(["--quiet", "inspect", &image]);
            runner
        }),
    ];
    let measured = take_turns(arena.rounds, contestants)?;

    console::note("peak memory");
    let both = build(fresh("peak", 0), arena.folder.join("pull-peak.ext4"));
    let resident = Traced::start(&both, Stdio::null())?.resident_mebibytes()?;
    render(&measured, resident)
}

fn render(measured: &[(String, Samples)], resident: f64) -> anyhow::Result<String> {
    let [(_, pull), (_, skopeo), (_, build), (_, both), (_, inspect)] = measured else {
        anyhow::bail!("contestants are missing");
    };
    let longer = if pull.median() > build.median() {
        pull
    } else {
        build
    };
    let mut text = String::from("### Pull: registry to store, and to a root filesystem\n\n");
    let _ = writeln!(
        text,
        "The image of the cold table in Debian's `docker-registry` on loopback.\n\n{}",
        table("s", 2, measured)
    );
    let _ = writeln!(
        text,
        "- A pull, verified and on disk, takes **{}** as long as skopeo's copy (goal: at most 1.0×).",
        ratio(pull, skopeo)
    );
    let _ = writeln!(
        text,
        "- Pull and root filesystem in one go take **{}** as long as the longer of the two alone \
         (goal: at most 1.15×).",
        ratio(both, longer)
    );
    let _ = writeln!(
        text,
        "- An image of the store is found, opened and described in **{:.0} ms**, the start of the process \
         included (goal of the first two: at most 15 ms).",
        inspect.median() * 1e3
    );
    let _ = writeln!(
        text,
        "- The peak memory of both in one go is **{resident:.0} MiB** (goal: at most 64 MiB)."
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conclusions_follow_from_medians() {
        let of = |name: &str, value: f64| {
            let samples = Samples::new(vec![value]).expect("there is one");
            (name.to_owned(), samples)
        };
        let measured = [
            of(PULL, 0.8),
            of(SKOPEO, 1.0),
            of(BUILD, 2.0),
            of(BOTH, 2.2),
            of(INSPECT, 0.004),
        ];
        insta::assert_snapshot!(render(&measured, 31.4).expect("complete"));
        assert!(render(&measured[..4], 1.0).is_err());
    }
}
