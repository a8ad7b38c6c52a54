//! From a result to the command line that runs the same again.

use std::num::NonZeroU32;
use std::path::Path;

use bencher_runner::machine::{Accelerator, ClockKind, RootDevice, SandboxKind};
use bencher_runner::result::{Iterations, Layouts, ResultDocument, Setup};

/// What is to be different.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Where the image is now; `None` for where it was.
    pub image: Option<String>,
    /// How often to run; `None` for as often as before.
    pub iterations: Option<NonZeroU32>,
    /// What reads metrics of a harness; `None` for what read them before.
    pub adapter: Option<String>,
}

/// The words of `runner run` for what `setup` of `result` says, in front of which are more options to
/// be put. The command is whole, so nothing of the image's own comes before it.
pub fn words(
    result: &ResultDocument<Iterations>,
    setup: &Setup,
    changes: &Changes,
    more: &[String],
) -> Vec<String> {
    let mut words = Words(vec!["run".to_owned()]);
    let (machine, command) = (&setup.machine, &setup.command);
    let description = &machine.description;
    words.option(
        "--image",
        Some(changes.image.clone().unwrap_or_else(|| {
            pinned(
                &setup.image.reference,
                setup.image.manifest_digest.as_deref(),
            )
        })),
    );
    // A run without a sandbox is granted by `more`, or not at all: see `grants`.
    words.option("--sandbox", name(description.sandbox));
    match description.clock {
        ClockKind::Virtual => {
            words.option("--clock", Some("virtual"));
            let clock = description.virtual_clock.as_ref();
            words.option("--clock-mips", clock.map(|clock| clock.mips));
        }
        ClockKind::Wall if description.sandbox == SandboxKind::Qemu => {
            words.option(
                "--accelerator",
                match description.accelerator {
                    Accelerator::Kvm => Some("kvm"),
                    Accelerator::Tcg => Some("tcg"),
                    Accelerator::None => None,
                },
            );
            words.option(
                "--root-device",
                description.root_device.map(|device| match device {
                    RootDevice::VirtioBlk => "virtio-blk",
                    RootDevice::Nvdimm => "nvdimm",
                }),
            );
        }
        ClockKind::Wall => {}
    }
    let in_bytes = |size: bencher_runner::units::ByteSize| format!("{}B", size.bytes());
    words.option("--vcpus", machine.vcpus);
    words.option("--memory", machine.memory_bytes.map(in_bytes));
    words.option("--disk", machine.disk_bytes.map(in_bytes));
    words.flag("--hugepages", machine.huge_pages);
    words.flag("--aslr", command.layouts == Layouts::Random);
    let has_counters =
        |iteration: &bencher_runner::result::Iteration| iteration.perf_counters.is_some();
    words.flag(
        "--perf-counters",
        result.iterations.0.iter().any(has_counters),
    );
    let adapter = changes.adapter.as_ref().or(result.adapter.as_ref());
    words.option("--adapter", adapter);
    words.option("--timeout", Some(result.limits.timeout_seconds));
    words.option("--workdir", Some(&command.working_directory));
    words.option(
        "--user",
        Some(&command.user).filter(|user| !user.is_empty()),
    );
    let warmups = result
        .iterations
        .0
        .iter()
        .filter(|iteration| iteration.warmup);
    words.option("--warmup", Some(warmups.count()));
    let counting = result
        .iterations
        .0
        .iter()
        .filter(|iteration| iteration.counts());
    let iterations = changes.iterations.map_or_else(
        || counting.count().max(1).to_string(),
        |count| count.to_string(),
    );
    words.option("--iter", Some(iterations));
    words.0.extend_from_slice(more);
    words.option("--entrypoint", Some(""));
    words.0.push("--".to_owned());
    words.0.extend_from_slice(&command.arguments);
    words.0
}

struct Words(Vec<String>);

impl Words {
    fn option(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.extend([name.to_owned(), value.to_string()]);
        }
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.0.push(name.to_owned());
        }
    }
}

fn name(sandbox: SandboxKind) -> Option<&'static str> {
    match sandbox {
        SandboxKind::Firecracker => Some("firecracker"),
        SandboxKind::Qemu => Some("qemu"),
        SandboxKind::None => None,
    }
}

/// What a result says of a network that leads everywhere.
const ANYWHERE: &str = "0.0.0.0/0";

/// What the run of `setup` was granted and a file can not grant, since it may be anybody's: this
/// host's own kernel, and ways out of the machine. The options that are not among `more`.
pub fn grants(setup: &Setup, more: &[String]) -> Vec<String> {
    let machine = &setup.machine;
    let mut grants = Vec::new();
    if machine.description.sandbox == SandboxKind::None {
        grants.push("--sandbox none".to_owned());
    }
    if let Some(network) = &machine.network {
        match &network.allowed[..] {
            [anywhere] if anywhere == ANYWHERE => grants.push("--network".to_owned()),
            allowed => grants.extend(allowed.iter().map(|it| format!("--network-allow {it}"))),
        }
    }
    let more = more.join(" ").replace('=', " ");
    let more = format!(" {more} ");
    grants.retain(|grant| !more.contains(&format!(" {grant} ")));
    grants
}

/// A name in a registry with the digest that it had, without its tag, which may mean another image by
/// now. What is a path stays as it is.
fn pinned(reference: &str, digest: Option<&str>) -> String {
    let is_path = reference.starts_with(['/', '.'])
        || reference.starts_with("sha256:")
        || reference.starts_with("sha512:")
        || reference.starts_with("oci:")
        || reference.contains('@')
        || Path::new(reference)
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("tar"));
    match digest {
        Some(digest) if !is_path => {
            let last = reference.rfind('/').map_or(0, |slash| slash + 1);
            let end = reference[last..]
                .find(':')
                .map_or(reference.len(), |colon| last + colon);
            format!("{}@{digest}", &reference[..end])
        }
        _ => reference.to_owned(),
    }
}

/// The names of variables that the command had and that `words` do not set: their values are not in
/// a result.
pub fn unset_variables(setup: &Setup, more: &[String]) -> Vec<String> {
    let given: Vec<&str> = more
        .windows(2)
        .filter(|pair| pair[0] == "--env" || pair[0] == "-e")
        .filter_map(|pair| pair[1].split('=').next())
        .collect();
    let names = setup.command.environment.iter();
    names
        .filter(|name| !given.contains(&name.as_str()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use bencher_runner::network::NetworkState;

    use super::*;
    use crate::samples::tests::document;
    use crate::text::shell_line;

    #[test]
    fn a_result_says_how_it_came_about() {
        let mut result = document(&[1, 2, 3]);
        result.iterations.0[0].warmup = true;
        result.adapter = Some("hyperfine=out.json".to_owned());
        let setup = result.setup.clone().expect("it ran");
        let words = words(
            &result,
            &setup,
            &Changes::default(),
            &["--force".to_owned()],
        );
        assert_eq!(
            shell_line(&words),
            "run --image oci:images/busybox --disk 1073741824B --adapter hyperfine=out.json --timeout 300 --workdir / \
             --warmup 1 --iter 2 --force --entrypoint '' -- sh -c 'echo hello'"
        );
    }

    #[test]
    fn names_are_pinned_and_paths_are_not() {
        for (reference, expected) in [
            ("debian:12", "debian@sha256:1"),
            ("debian", "debian@sha256:1"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b@sha256:1"),
            ("localhost:5000/a", "localhost:5000/a@sha256:1"),
            ("oci:dir:tag", "oci:dir:tag"),
            ("./image.tar", "./image.tar"),
            ("image.tar", "image.tar"),
            ("debian@sha256:0", "debian@sha256:0"),
            ("sha256:0", "sha256:0"),
        ] {
            assert_eq!(pinned(reference, Some("sha256:1")), expected);
        }
        assert_eq!(pinned("debian:12", None), "debian:12");
    }

    #[test]
    fn a_file_grants_neither_the_host_nor_a_network() {
        let more = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        let mut setup = document(&[1]).setup.expect("it ran");
        assert_eq!(grants(&setup, &[]), ["--sandbox none"]);
        for repeated in [&["--sandbox", "none"][..], &["--sandbox=none"]] {
            assert_eq!(grants(&setup, &more(repeated)), [""; 0]);
        }
        assert_eq!(
            grants(&setup, &more(&["--env", "--sandbox"])),
            ["--sandbox none"]
        );
        setup.machine.description.sandbox = SandboxKind::Qemu;
        setup.machine.network = Some(NetworkState {
            allowed: vec!["192.0.2.0/24:80".to_owned()],
            blocked: Vec::new(),
            name_servers: Vec::new(),
        });
        let asked = ["--network-allow 192.0.2.0/24:80"];
        assert_eq!(grants(&setup, &[]), asked);
        let repeated = more(&["--network-allow", "192.0.2.0/24:80"]);
        assert_eq!(grants(&setup, &repeated), [""; 0]);
        assert_eq!(grants(&setup, &more(&["--network"])), asked);
        setup.machine.network.as_mut().expect("one").allowed = vec![ANYWHERE.to_owned()];
        assert_eq!(grants(&setup, &[]), ["--network"]);
        assert_eq!(grants(&setup, &more(&["--network"])), [""; 0]);
    }

    #[test]
    fn changes_replace_what_was() {
        let result = document(&[1, 2]);
        let setup = result.setup.clone().expect("it ran");
        let changes = Changes {
            image: Some("other".to_owned()),
            iterations: NonZeroU32::new(9),
            ..Changes::default()
        };
        let line = shell_line(&words(&result, &setup, &changes, &[]));
        assert!(line.starts_with("run --image other "), "{line}");
        assert!(line.contains(" --iter 9 "), "{line}");
        let more = ["--env", "PATH=/bin"].map(str::to_owned);
        assert_eq!(unset_variables(&setup, &[]), ["PATH"]);
        assert_eq!(unset_variables(&setup, &more), [""; 0]);
    }
}
