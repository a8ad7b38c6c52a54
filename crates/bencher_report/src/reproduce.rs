//! From a result, or a comparison, to the command line that runs the same again.

use std::num::NonZeroU32;
use std::path::Path;

use bencher_runner::machine::{Accelerator, ClockKind, RootDevice, SandboxKind};
use bencher_runner::result::{
    Image, Iteration, Iterations, Layouts, Limits, ResultDocument, Setup,
};
use bencher_runner::units::ByteSize;

use crate::comparison::{Comparison, Levels, Side};
use crate::samples;

/// What is to be different.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Where the image is now; `None` for where it was.
    pub image: Option<String>,
    /// How often to run; `None` for as often as before.
    pub iterations: Option<NonZeroU32>,
    /// Whether the guest's kernel may be another one.
    pub any_kernel: bool,
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
    let image = changes.image.clone();
    words.option(
        "--image",
        Some(image.unwrap_or_else(|| pinned(&setup.image))),
    );
    // A run without a sandbox is granted by `more`, or not at all: see `grants`.
    words.machine(setup);
    if !changes.any_kernel && !names_kernel(more) {
        words.kernel(setup);
    }
    let iterations = &result.iterations.0;
    words.flag("--perf-counters", samples::have_counters(iterations));
    let adapter = changes.adapter.as_ref().or(result.adapter.as_ref());
    words.option("--adapter", adapter);
    words.limits(&result.limits);
    words.place(setup);
    let count = |is_meant: fn(&Iteration) -> bool| {
        let meant = iterations.iter().filter(|&iteration| is_meant(iteration));
        meant.count()
    };
    words.option("--warmup", Some(count(|iteration| iteration.warmup)));
    let as_before = count(Iteration::counts).max(1);
    let times = changes.iterations;
    words.option(
        "--iter",
        Some(times.map_or(as_before.to_string(), |it| it.to_string())),
    );
    words.0.extend_from_slice(more);
    words.option("--entrypoint", Some(""));
    words.0.push("--".to_owned());
    words.0.extend_from_slice(&setup.command.arguments);
    words.0
}

/// The words of `runner compare` for a comparison; none where it is not known what ran.
pub fn comparison_words(comparison: &Comparison) -> Option<Vec<String>> {
    let sides = [&comparison.baseline, &comparison.candidate];
    let setups = [sides[0].setup.as_ref()?, sides[1].setup.as_ref()?];
    let mut words = Words(vec!["compare".to_owned()]);
    // What was read is read again; what ran is run again, on what is the same machine for both sides.
    let fresh = sides.into_iter().zip(setups);
    let fresh = fresh.filter(|(side, _)| side.file.is_none());
    let fresh: Vec<(&Side, &Setup)> = fresh.collect();
    if let Some((side, setup)) = fresh.first() {
        for grant in granted(setup) {
            words.0.extend(grant);
        }
        words.machine(setup);
        words.kernel(setup);
        words.flag("--perf-counters", side.perf_counters);
        if let Some(limits) = &side.limits {
            words.limits(limits);
        }
        let place = |setup: &Setup| {
            let command = &setup.command;
            (command.working_directory.clone(), command.user.clone())
        };
        // Where they differ each one is its image's own.
        if fresh.iter().all(|(_, other)| place(other) == place(setup)) {
            words.place(setup);
        }
        words.option("--warmup", Some(side.warmups));
        let allows_failure = side.left_out > 0 && comparison.incomplete.is_none();
        words.flag("--allow-failure", allows_failure);
        words.option("--iter", Some(side.iterations + side.left_out));
        words.option("--seed", comparison.design.seed);
    }
    // Of results it is read again as well.
    let adapters = sides.into_iter().rev().map(|side| side.adapter.as_ref());
    words.option("--adapter", adapters.flatten().next());
    if comparison.settings.levels == Levels::Both {
        words.option("--levels", Some("both"));
    }
    let gate = comparison.gate.as_ref();
    words.option(
        "--fail-if-slower",
        gate.map(|gate| share(gate.fail_if_slower)),
    );
    words.flag("--force", comparison.forced);
    for metric in &comparison.metrics {
        words.option("--metric", Some(&metric.name));
    }
    for (side, setup) in sides.into_iter().zip(setups) {
        let image = || pinned(&setup.image);
        words.0.push(side.file.clone().unwrap_or_else(image));
    }
    let commands = fresh
        .iter()
        .map(|(_, setup)| setup.command.arguments.as_slice());
    let commands: Vec<_> = commands.collect();
    if let [first, others @ ..] = &commands[..] {
        words.option("--entrypoint", Some(""));
        words.0.push("--".to_owned());
        words.0.extend_from_slice(first);
        for other in others.iter().filter(|&other| other != first) {
            words.0.push("--vs".to_owned());
            words.0.extend_from_slice(other);
        }
    }
    Some(words.0)
}

/// A share in percent, without the digits that binary fractions leave.
fn share(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

/// Whether options of `runner run` name a kernel.
pub fn names_kernel(more: &[String]) -> bool {
    let is_name = |word: &String| word == "--kernel" || word.starts_with("--kernel=");
    more.iter().any(is_name)
}

/// The options among these words that have no value.
pub(crate) const WITHOUT_VALUE: [&str; 6] = [
    "--allow-failure",
    "--aslr",
    "--force",
    "--hugepages",
    "--network",
    "--perf-counters",
];

struct Words(Vec<String>);

impl Words {
    fn option(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.extend([name.to_owned(), value.to_string()]);
        }
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        debug_assert!(WITHOUT_VALUE.contains(&name), "{name}");
        if is_set {
            self.0.push(name.to_owned());
        }
    }

    fn bytes(&mut self, name: &str, size: Option<ByteSize>) {
        self.option(name, size.map(|size| format!("{}B", size.bytes())));
    }

    /// The machine, but for its kernel.
    fn machine(&mut self, setup: &Setup) {
        let machine = &setup.machine;
        let description = &machine.description;
        self.option("--sandbox", name(description.sandbox));
        match description.clock {
            ClockKind::Virtual => {
                self.option("--clock", Some("virtual"));
                let clock = description.virtual_clock.as_ref();
                self.option("--clock-mips", clock.map(|clock| clock.mips));
            }
            ClockKind::Wall if description.sandbox == SandboxKind::Qemu => {
                let accelerator = match description.accelerator {
                    Accelerator::Kvm => Some("kvm"),
                    Accelerator::Tcg => Some("tcg"),
                    Accelerator::None => None,
                };
                self.option("--accelerator", accelerator);
                let root_device = description.root_device.map(|device| match device {
                    RootDevice::VirtioBlk => "virtio-blk",
                    RootDevice::Nvdimm => "nvdimm",
                });
                self.option("--root-device", root_device);
            }
            ClockKind::Wall => {}
        }
        self.option("--vcpus", machine.vcpus);
        self.bytes("--memory", machine.memory_bytes);
        self.bytes("--disk", machine.disk_bytes);
        self.flag("--hugepages", machine.huge_pages);
        self.flag("--aslr", setup.command.layouts == Layouts::Random);
    }

    /// The kernel, by its digest: it has to be in the cache.
    fn kernel(&mut self, setup: &Setup) {
        let kernel = setup.machine.kernel.as_ref();
        self.option(
            "--kernel",
            kernel.map(|kernel| format!("sha256:{}", kernel.sha256)),
        );
    }

    fn limits(&mut self, limits: &Limits) {
        self.option("--timeout", Some(limits.timeout_seconds));
        self.option("--boot-timeout", Some(limits.boot_timeout_seconds));
        self.option("--grace-period", Some(limits.grace_period_seconds));
        self.bytes("--max-output-size", Some(limits.max_output_bytes));
        self.option("--max-file-count", Some(limits.max_file_count));
        self.bytes("--max-file-size", Some(limits.max_file_bytes));
        self.bytes("--max-total-file-size", Some(limits.max_total_file_bytes));
    }

    /// Where the command ran, and as whom.
    fn place(&mut self, setup: &Setup) {
        let command = &setup.command;
        self.option("--workdir", Some(&command.working_directory));
        let user = Some(&command.user).filter(|user| !user.is_empty());
        self.option("--user", user);
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
/// host's own kernel, and ways out of the machine. The words of the options that are not among `more`.
pub fn grants(setup: &Setup, more: &[String]) -> Vec<String> {
    let is_repeated = |grant: &Vec<String>| {
        let joined = grant.join("=");
        more.contains(&joined) || more.windows(grant.len()).any(|words| words == grant)
    };
    let mut granted = granted(setup);
    granted.retain(|grant| !is_repeated(grant));
    granted.concat()
}

/// The options by which the run of `setup` was granted something.
fn granted(setup: &Setup) -> Vec<Vec<String>> {
    let machine = &setup.machine;
    let option = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let mut granted = Vec::new();
    if machine.description.sandbox == SandboxKind::None {
        granted.push(option(&["--sandbox", "none"]));
    }
    if let Some(network) = &machine.network {
        match &network.allowed[..] {
            [anywhere] if anywhere == ANYWHERE => granted.push(option(&["--network"])),
            allowed => {
                let allowed = allowed.iter().map(|it| option(&["--network-allow", it]));
                granted.extend(allowed);
            }
        }
    }
    granted
}

/// A name in a registry with the digest that it had, without its tag, which may mean another image by
/// now. What is a path stays as it is.
fn pinned(image: &Image) -> String {
    pinned_to(&image.reference, image.manifest_digest.as_deref())
}

fn pinned_to(reference: &str, digest: Option<&str>) -> String {
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
mod tests;
