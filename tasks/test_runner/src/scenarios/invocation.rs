//! One command line of `runner run`.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::backend::Backend;
use super::surroundings::Surroundings;
use crate::runner::NO_TUNING;

/// How much the runner says of what it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Voice {
    /// Nothing.
    #[default]
    Quiet,
    /// As much as it does by itself.
    Talking,
}

/// What a scenario adds to `runner run --image IMAGE`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invocation {
    /// The image by another name than that of the scenario's.
    image: Option<OsString>,
    options: Vec<OsString>,
    command: Vec<OsString>,
    environment: Vec<(String, String)>,
    /// Whether the host is tuned for it, where that may be.
    tunes: bool,
    /// What the runner says.
    voice: Voice,
    /// Whether the files of the output folder are looked at.
    pub(crate) collects: bool,
    /// Whether the result document is written to a file.
    pub(crate) has_result: bool,
}

impl Invocation {
    /// A quiet run whose result document is looked at.
    pub(crate) fn new() -> Self {
        Self {
            has_result: true,
            ..Self::default()
        }
    }

    /// More options.
    pub(crate) fn options<I: IntoIterator<Item: Into<OsString>>>(&mut self, words: I) -> &mut Self {
        self.options.extend(words.into_iter().map(Into::into));
        self
    }

    /// The image called `name`, instead of the scenario's.
    pub(crate) fn of(&mut self, name: &str) -> &mut Self {
        self.image = Some(name.into());
        self
    }

    /// The command after `--`.
    pub(crate) fn command<I: IntoIterator<Item: Into<OsString>>>(&mut self, words: I) -> &mut Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    /// A shell script as the command.
    pub(crate) fn script(&mut self, text: &str) -> &mut Self {
        self.command(["sh", "-c", text])
    }

    /// Outputs to collect into the output folder.
    pub(crate) fn outputs(&mut self, paths: &[&str]) -> &mut Self {
        for &path in paths {
            self.options(["--output", path]);
        }
        self.collects = true;
        self
    }

    /// A variable of the runner's own environment.
    pub(crate) fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The host is tuned for it, as for a user's runs. Only for scenarios that need
    /// [`Need::TunableHost`](super::surroundings::Need::TunableHost).
    pub(crate) fn tuned(&mut self) -> &mut Self {
        self.tunes = true;
        self
    }

    /// The runner says what it does, on standard error.
    pub(crate) fn talking(&mut self) -> &mut Self {
        self.voice = Voice::Talking;
        self
    }

    /// Adds everything to `runner`: backend, image, places in `folder`.
    pub(crate) fn complete(
        &self,
        runner: &mut Command,
        backend: Backend,
        surroundings: &Surroundings,
        image: &Path,
        folder: &Path,
    ) {
        runner.arg("run");
        if self.voice == Voice::Quiet {
            runner.arg("--quiet");
        }
        choose_machine(runner, backend, surroundings);
        let image = self.image.as_deref().unwrap_or(image.as_os_str());
        runner.arg("--image").arg(image);
        if self.has_result {
            runner.arg("--result").arg(folder.join(RESULT));
        }
        if self.collects {
            runner.arg("--output-dir").arg(folder.join(OUTPUT));
        }
        runner.args(&self.options);
        if !self.command.is_empty() {
            runner.arg("--").args(&self.command);
        }
        runner.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Whatever a scenario asks for: a host that is not to be tuned is not.
        if self.tunes && surroundings.may_be_tuned() {
            runner.env_remove(NO_TUNING);
        }
    }
}

/// Adds to `runner`, which runs images, where they are run.
pub(crate) fn choose_machine(runner: &mut Command, backend: Backend, surroundings: &Surroundings) {
    runner.args(["--sandbox", backend.sandbox()]);
    if let Some(accelerator) = backend.chosen_accelerator() {
        runner.args(["--accelerator", accelerator]);
    }
    if backend == Backend::Firecracker
        && let Some(firecracker) = &surroundings.firecracker
    {
        runner.arg("--firecracker").arg(firecracker);
    }
}

/// The result document in a run's folder.
pub(crate) const RESULT: &str = "result.json";

/// The output folder in a run's folder.
pub(crate) const OUTPUT: &str = "output";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::features::Features;
    use crate::scenarios::surroundings::Knobs;

    fn line(invocation: &Invocation, backend: Backend) -> String {
        let runner = completed(invocation, backend, Knobs::Kept);
        let words = runner.get_args().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    fn completed(invocation: &Invocation, backend: Backend, knobs: Knobs) -> Command {
        let surroundings =
            Surroundings::look(Some("/fc".into()), None, Features::of(""), knobs, false);
        let mut runner = Command::new("runner");
        runner.env(NO_TUNING, "1");
        let (image, folder) = (Path::new("/image"), Path::new("/folder"));
        invocation.complete(&mut runner, backend, &surroundings, image, folder);
        runner
    }

    #[test]
    fn a_host_is_tuned_where_the_scenario_wants_it_and_the_user_allows_it() {
        let is_tuned_for = |invocation: &Invocation, knobs| {
            let runner = completed(invocation, Backend::Host, knobs);
            let mut variables = runner.get_envs();
            !variables.any(|(name, value)| name == NO_TUNING && value.is_some())
        };
        let mut asks = Invocation::new();
        asks.tuned();
        assert!(is_tuned_for(&asks, Knobs::MayBeTurned));
        assert!(!is_tuned_for(&asks, Knobs::Kept), "the user comes first");
        assert!(!is_tuned_for(&Invocation::new(), Knobs::MayBeTurned));
    }

    #[test]
    fn only_who_is_to_talk_is_not_quiet() {
        let mut invocation = Invocation::new();
        invocation.talking();
        assert!(line(&invocation, Backend::Host).starts_with("run --sandbox none"));
    }

    #[test]
    fn each_backend_is_asked_for_by_its_own_options() {
        for (backend, options) in [
            (
                Backend::Firecracker,
                "--sandbox firecracker --firecracker /fc",
            ),
            (Backend::QemuKvm, "--sandbox qemu --accelerator kvm"),
            (Backend::QemuTcg, "--sandbox qemu --accelerator tcg"),
            (Backend::Host, "--sandbox none"),
        ] {
            let line = line(&Invocation::new(), backend);
            let expected =
                format!("run --quiet {options} --image /image --result /folder/result.json");
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn another_image_takes_the_place_of_the_scenarios() {
        let mut invocation = Invocation::new();
        invocation.of("host/name");
        let line = line(&invocation, Backend::Host);
        assert!(line.contains(" --image host/name "), "{line}");
        assert!(!line.contains("/image"), "{line}");
    }

    #[test]
    fn the_command_comes_last() {
        let mut invocation = Invocation::new();
        invocation
            .script("true")
            .outputs(&["/a"])
            .options(["--iter", "2"]);
        assert!(
            line(&invocation, Backend::Host)
                .ends_with("--output-dir /folder/output --output /a --iter 2 -- sh -c true")
        );
    }
}
