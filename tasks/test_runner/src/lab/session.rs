//! A lab that is booted when it is needed, and again when it got stuck or crashed.

use anyhow::Context as _;

use super::emulator::Emulator;
use super::input::Input;
use super::interruption::{Interruption, Patience};
use super::machine::{Finished, Machine, Output};
use super::plan::Plan;
use super::protocol::Job;
use crate::console;

/// How often one command is tried.
const TRIES: u32 = 3;

/// Everything that a boot takes, and the running lab.
#[derive(Debug)]
pub(crate) struct Session {
    // Before the input, whose disk it uses.
    machine: Option<Machine>,
    emulator: Emulator,
    plan: Plan,
    _input: Input,
    patience: Patience,
    reboots: u32,
}

impl Session {
    /// A session in which nothing has been booted.
    pub(crate) fn new(emulator: Emulator, plan: Plan, input: Input) -> Self {
        Self {
            machine: None,
            emulator,
            plan,
            _input: input,
            patience: Patience::default(),
            reboots: 0,
        }
    }

    /// Runs a command in the running lab, or in a new one where there is none. When the lab gets
    /// stuck or crashes it is booted again and the command repeated.
    ///
    /// # Errors
    ///
    /// When the lab ends, or gets stuck or crashes each time.
    pub(crate) fn run(&mut self, job: &Job, output: Output) -> anyhow::Result<Finished> {
        for attempt in 1.. {
            let error = match self.attempt(job, output) {
                Ok(finished) => return Ok(finished),
                Err(error) => error,
            };
            // Nothing of a stuck lab can be trusted; and an ended one is none.
            self.machine = None;
            // What was typed is gone, so a command that reads can not be repeated.
            if attempt == TRIES || job.input || !error.is_worth_another_try() {
                return Err(error).context("the command could not be run in the lab");
            }
            self.reboots += 1;
            console::warning(&format!(
                "booting the lab again and repeating the command (try {} of {TRIES}), since {error}",
                attempt + 1
            ));
        }
        unreachable!("the last attempt returns")
    }

    fn attempt(&mut self, job: &Job, output: Output) -> Result<Finished, Interruption> {
        if self.machine.is_none() {
            let machine = Machine::boot(&self.emulator, &self.plan, self.patience)?;
            console::note(&format!(
                "the lab is up after {:.1} s",
                machine.age().as_secs_f64()
            ));
            self.machine = Some(machine);
        }
        match &mut self.machine {
            Some(machine) => machine.run(job, output),
            None => Err(anyhow::anyhow!("there is no lab").into()),
        }
    }

    /// How often the lab had to be booted again.
    pub(crate) fn reboots(&self) -> u32 {
        self.reboots
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// A session whose QEMU is a shell script with the port as its descriptor 3.
    fn session(folder: &Path, script: &str) -> Session {
        let qemu = folder.join("qemu");
        let version = "[ \"$1\" = --version ] && echo 'QEMU emulator version 10.0' && exit";
        let text = folder.join("text");
        fs::write(&text, format!("#!/bin/sh\n{version}\n{script}\n")).expect("it can be written");
        // Had this process opened it for writing, children of other tests might keep it busy.
        let mut install = crate::process::command("install");
        install.args(["-m", "755"]).arg(text).arg(&qemu);
        crate::process::run(&mut install).expect("it can be copied");
        let plan = Plan {
            kernel: "kernel".into(),
            initramfs: "initramfs".into(),
            root: "root".into(),
            input: "input".into(),
            console: folder.join("console"),
            virtual_cpus: 1,
            memory_mebibytes: 1,
            tsc_kilohertz: 1,
        };
        let input = Input::create(folder.join("run")).expect("it can be made");
        let emulator = Emulator::ask(qemu, None).expect("it has a version");
        let mut session = Session::new(emulator, plan, input);
        session.patience = Patience {
            boot: Duration::from_mins(1),
            stillness: Duration::from_secs(1),
        };
        session
    }

    fn job() -> Job {
        Job {
            command: vec!["true".to_owned()],
            environment: BTreeMap::new(),
            directory: "/".to_owned(),
            results: "/results".to_owned(),
            input: false,
        }
    }

    const READY: &str = r"printf '\001\000\000\000\000' >&3";

    #[test]
    fn a_frozen_lab_is_booted_again_and_the_command_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let frozen = folder.path().join("was frozen");
        let script = format!(
            r#"{READY}
            [ -e '{0}' ] || {{ : >'{0}'; exec sleep 1000; }}
            printf '\003\003\000\000\000yes\006\012\000\000\000{{"Code":7}}' >&3
            exec sleep 1000"#,
            frozen.display()
        );
        let mut session = session(folder.path(), &script);
        let finished = session
            .run(&job(), Output::Kept)
            .expect("it works the second time");
        assert_eq!(finished.ended.code(), 7);
        assert_eq!(finished.printed, b"yes");
        assert_eq!(session.reboots(), 1);
    }

    #[test]
    fn a_lab_whose_kernel_crashes_is_booted_again_three_times_at_most() {
        let crashing = |times: u32| {
            let folder = tempfile::tempdir().expect("a folder");
            let script = format!(
                r#"cd '{}'; {READY}
                head -c 5 <&3 >taken
                echo >>boots
                if [ "$(wc -l <boots)" -le {times} ]; then
                    echo 'Kernel panic - not syncing: Fatal exception' >console
                    exit
                fi
                printf '\006\012\000\000\000{{"Code":7}}' >&3
                exec sleep 1000"#,
                folder.path().display()
            );
            let mut session = session(folder.path(), &script);
            let ended = session.run(&job(), Output::Kept);
            (ended, session.reboots())
        };
        let (finished, reboots) = crashing(TRIES - 1);
        assert_eq!(finished.expect("the last one works").ended.code(), 7);
        assert_eq!(reboots, TRIES - 1);
        let (error, reboots) = crashing(TRIES);
        let error = error.expect_err("it crashes each time");
        assert!(
            matches!(
                error.downcast_ref::<Interruption>(),
                Some(Interruption::Crashed { report }) if report.contains("Fatal exception")
            ),
            "{error:#}"
        );
        assert_eq!(reboots, TRIES - 1);
    }

    #[test]
    fn what_can_not_be_repeated_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = session(folder.path(), &format!("{READY}\nexec sleep 1000"));
        let mut reads = job();
        reads.input = true;
        let error = session.run(&reads, Output::Kept).expect_err("it freezes");
        assert!(
            matches!(
                error.downcast_ref::<Interruption>(),
                Some(Interruption::Frozen { .. })
            ),
            "{error:#}"
        );
        assert_eq!(session.reboots(), 0);
    }

    #[test]
    fn a_lab_that_ends_is_an_error_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = session(folder.path(), "echo 'no such machine' >&2; exit 1");
        let error = session.run(&job(), Output::Kept).expect_err("it ends");
        let text = format!("{error:#}");
        assert!(text.ends_with("\n  no such machine"), "{text}");
        assert_eq!(session.reboots(), 0);
    }
}
