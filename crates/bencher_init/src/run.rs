//! The command's run, as init sees it: start, output, stops, end.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bencher_output_protocol::{ExitReport, ExitStatus, GuestMessage, LogLevel, Orders, Resources};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::timer::TimerSetTimeFlags;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags};
use nix::unistd::{ForkResult, Pid, pipe2};

use crate::cgroup::{Cgroup, Counters};
use crate::clock;
use crate::command::{Command, Ends, Surroundings, run_reaper};
use crate::error::{InitError, Reason};
use crate::link::Link;
use crate::output::Output;
use crate::poller::Source;
use crate::report::{Ended, Received, Report, Reports, channel};
use crate::serve::World;
use crate::stop::{Action, Stopping};
use crate::switches::Switches;
use crate::sys;

/// A command that was started, or is about to be. Dropping it ends everything that it started.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    reaper: Option<Pid>,
    reports: Reports,
    /// Open until the command's `execve`.
    gate: Option<OwnedFd>,
    stdout: Output,
    stderr: Output,
    /// Whose turn it is when both have something.
    stderr_first: bool,
    grace: TimerFd,
    stopping: Stopping,
    stop_signal: i32,
    /// A handle of the command's process.
    command: Option<OwnedFd>,
    /// Why the command could not be executed.
    refusal: Option<ExitStatus>,
    began: bool,
    /// Init's own, when the command began.
    switches: Switches,
    ended: Option<Ended>,
    cgroup: Option<&'a Cgroup>,
}

fn failed(step: &'static str) -> impl Fn(Errno) -> InitError {
    move |source| InitError::Start { step, source }
}

impl<'a> Run<'a> {
    /// Makes the pipes and the reaper, which makes the command.
    pub(crate) fn start(
        link: &mut Link,
        orders: &Orders,
        command: &Command,
        world: &'a World,
    ) -> Result<Self, InitError> {
        let limit = orders.limits.output_bytes;
        let (stdout, stdout_end) = Output::stdout(limit, link)?;
        let (stderr, stderr_end) = Output::stderr(limit, link)?;
        let null = open(
            "/dev/null",
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed("open /dev/null"))?;
        let ends = Ends {
            stdin: null,
            stdout: stdout_end,
            stderr: stderr_end,
        };
        let (gate, gate_end) = pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
        fcntl(&gate, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed("make a pipe"))?;
        let (reporter, reports) = channel().map_err(failed("make a channel for reports"))?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let grace =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(failed("make a timer"))?;
        link.poller().add(&gate, Source::Gate)?;
        link.poller().add(&reports, Source::Reports)?;
        link.poller().add(&grace, Source::Grace)?;
        let surroundings = Surroundings {
            cgroup: world.cgroup.as_ref().map(Cgroup::door).transpose()?,
            setting: world.setting,
            is_spared: world.is_spared,
            cpus: world.cpus,
        };
        unshare(CloneFlags::CLONE_NEWPID).map_err(failed("make a pid namespace"))?;
        let reaper = match sys::fork().map_err(failed("make the reaper's process"))? {
            ForkResult::Child => run_reaper(command, &surroundings, ends, gate_end, reporter),
            ForkResult::Parent { child } => child,
        };
        Ok(Self {
            reaper: Some(reaper),
            reports,
            gate: Some(gate),
            stdout,
            stderr,
            stderr_first: false,
            grace,
            stopping: Stopping::Running,
            stop_signal: i32::from(orders.stop_signal),
            command: None,
            refusal: None,
            began: false,
            switches: Switches::default(),
            ended: None,
            cgroup: world.cgroup.as_ref(),
        })
    }

    /// Forwards output and stops until the command has ended and everything it wrote is on its way.
    ///
    /// Each turn does what can be done now; only when that is nothing it waits. While the host
    /// reads slower than the command writes, the pipes are left alone, so the command waits too.
    pub(crate) fn supervise(mut self, link: &mut Link) -> Result<ExitReport, InitError> {
        loop {
            link.flush()?;
            link.listen()?;
            if link.poller().is_readable(Source::Reports) {
                self.read_reports(link)?;
            }
            self.watch_gate(link)?;
            self.watch_stops(link)?;
            if self.began {
                self.forward_output(link)?;
            }
            if self.is_over(link) {
                self.tell_switches(link)?;
                return Ok(self.report());
            }
            let has_output = self.stdout.is_ready(link) || self.stderr.is_ready(link);
            let can_go_on = self.began && has_output && link.is_idle();
            link.poller().wait(!can_go_on)?;
        }
    }

    fn forward_output(&mut self, link: &mut Link) -> Result<(), InitError> {
        let (first, second) = if self.stderr_first {
            (&mut self.stderr, &mut self.stdout)
        } else {
            (&mut self.stdout, &mut self.stderr)
        };
        self.stderr_first = !self.stderr_first;
        first.forward(link)?;
        second.forward(link)
    }

    fn is_over(&self, link: &mut Link) -> bool {
        let drained = !self.began || self.stdout.is_drained(link) && self.stderr.is_drained(link);
        self.ended.is_some() && self.gate.is_none() && drained
    }

    /// Takes in all reports that are there.
    fn read_reports(&mut self, link: &mut Link) -> Result<(), InitError> {
        loop {
            let read = failed("receive the reaper's reports");
            match self.reports.receive().map_err(read)? {
                Received::Nothing => {
                    link.poller().drained(Source::Reports);
                    return Ok(());
                }
                Received::Closed if self.ended.is_some() => {
                    link.poller().drained(Source::Reports);
                    return Ok(());
                }
                Received::Closed => {
                    return Err(InitError::Child {
                        stage: "run the command".to_owned(),
                        source: Reason::new("the process that watches over it has died"),
                    });
                }
                Received::Report(report, handle) => self.take_report(report, handle, link)?,
            }
        }
    }

    fn take_report(
        &mut self,
        report: Report,
        handle: Option<OwnedFd>,
        link: &mut Link,
    ) -> Result<(), InitError> {
        match report {
            Report::Forked => self.command = handle,
            Report::Note { level, text } => link.log(level, text)?,
            Report::NotFound(text) => self.refusal = Some(ExitStatus::NotFound(text)),
            Report::NotExecutable(text) => self.refusal = Some(ExitStatus::NotExecutable(text)),
            Report::Failed { stage, reason } => {
                return Err(InitError::Child {
                    stage,
                    source: Reason(reason),
                });
            }
            Report::Ended(ended) => {
                self.ended = Some(ended);
                if let Some(reaper) = self.reaper.take() {
                    sys::wait(Some(reaper)).map_err(failed("wait for the reaper"))?;
                }
                // Nothing writes any more, so what is in the pipes now is all.
                self.stdout.look_again(link);
                self.stderr.look_again(link);
            }
        }
        Ok(())
    }

    /// Tells the host when the command has been executed.
    fn watch_gate(&mut self, link: &mut Link) -> Result<(), InitError> {
        let Some(gate) = &self.gate else {
            return Ok(());
        };
        if !link.poller().is_readable(Source::Gate) {
            return Ok(());
        }
        match nix::unistd::read(gate, &mut [0]) {
            Err(Errno::EINTR) => return Ok(()),
            Err(Errno::EAGAIN) => {
                link.poller().drained(Source::Gate);
                return Ok(());
            }
            Err(error) => return Err(failed("watch the command's start")(error)),
            Ok(_) => self.gate = None,
        }
        // A failure was reported before the gate closed, so it is there by now.
        self.read_reports(link)?;
        let never_came_to_it = self.ended.is_some_and(|ended| ended.wall_nanoseconds == 0);
        if self.refusal.is_none() && !never_came_to_it {
            self.began = true;
            self.switches = Switches::now();
            link.queue(&GuestMessage::Started {
                boot_nanoseconds: clock::since_boot(),
            })?;
        }
        Ok(())
    }

    /// Carries out stops. One that comes before there is a process waits for it.
    fn watch_stops(&mut self, link: &mut Link) -> Result<(), InitError> {
        if self.command.is_none() || self.ended.is_some() {
            return Ok(());
        }
        if let Some(stop) = link.take_stop() {
            let action = self.stopping.stop(stop, clock::monotonic());
            self.act(action, link)?;
        }
        if link.poller().is_readable(Source::Grace) {
            match self.grace.wait() {
                Ok(()) => {
                    let action = self.stopping.grace_is_over();
                    self.act(action, link)?;
                }
                Err(Errno::EAGAIN) => link.poller().drained(Source::Grace),
                Err(error) => return Err(failed("wait for the end of the grace")(error)),
            }
        }
        Ok(())
    }

    fn act(&self, action: Action, link: &mut Link) -> Result<(), InitError> {
        match action {
            Action::Nothing => Ok(()),
            Action::SignalAndWait(time) => {
                let text = format!(
                    "the command was sent its stop signal ({})",
                    self.stop_signal
                );
                link.log(LogLevel::Debug, text)?;
                self.signal(self.stop_signal)?;
                self.arm(time)
            }
            Action::Wait(time) => self.arm(time),
            Action::Kill => {
                link.log(LogLevel::Debug, "the command was killed".to_owned())?;
                // The command's end is the end of all others: the reaper kills them.
                self.signal(Signal::SIGKILL as i32)
            }
        }
    }

    /// As container engines do: only the command itself gets the signal.
    fn signal(&self, signal: i32) -> Result<(), InitError> {
        let Some(command) = &self.command else {
            return Ok(());
        };
        match sys::pidfd_send_signal(command.as_fd(), signal) {
            // It has ended meanwhile.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(source) => Err(InitError::Signal { signal, source }),
        }
    }

    fn arm(&self, nanoseconds: u64) -> Result<(), InitError> {
        let time = Expiration::OneShot(Duration::from_nanos(nanoseconds).into());
        self.grace
            .set(time, TimerSetTimeFlags::empty())
            .map_err(failed("set the timer for the end of the grace"))
    }

    /// Says what init itself did meanwhile: nothing, while the command does nothing.
    fn tell_switches(&self, link: &mut Link) -> Result<(), InitError> {
        if !self.began {
            return Ok(());
        }
        let own = Switches::now().since(self.switches);
        link.log(LogLevel::Debug, format!("{own} while the command ran"))
    }

    fn report(&mut self) -> ExitReport {
        let counters = self.cgroup.map(Cgroup::counters).unwrap_or_default();
        let status = match (self.refusal.take(), &self.ended) {
            (Some(refusal), _) => refusal,
            (
                None,
                Some(Ended {
                    signal: Some(signal),
                    ..
                }),
            ) => ExitStatus::Signaled(*signal),
            (None, Some(ended)) => ExitStatus::Exited(ended.code),
            // Not reached: a run is over only when it has ended.
            (None, None) => ExitStatus::Signaled(0),
        };
        ExitReport {
            status,
            resources: self
                .ended
                .map(|ended| resources(&ended, &counters))
                .unwrap_or_default(),
            stdout_bytes: self.stdout.total(),
            stderr_bytes: self.stderr.total(),
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.take() {
            // The kernel ends a pid namespace with its first process. Neither call can fail for a
            // child that was not waited for.
            let _ = kill(reaper, Signal::SIGKILL);
            let _ = sys::wait(Some(reaper));
        }
    }
}

/// What the cgroup counted, and where there is none what the kernel counted for the reaper's
/// children.
fn resources(ended: &Ended, counters: &Counters) -> Resources {
    let usage = &ended.usage;
    let cpu = usage
        .user_microseconds
        .saturating_add(usage.system_microseconds);
    // getrusage counts in units of 512 bytes.
    let bytes = |blocks: u64| blocks.saturating_mul(512);
    Resources {
        wall_nanoseconds: ended.wall_nanoseconds,
        user_microseconds: counters.user_microseconds.or(Some(usage.user_microseconds)),
        system_microseconds: counters
            .system_microseconds
            .or(Some(usage.system_microseconds)),
        cpu_microseconds: counters.cpu_microseconds.or(Some(cpu)),
        memory_peak_bytes: counters.memory_peak_bytes,
        max_rss_bytes: usage.max_rss_kibibytes.saturating_mul(1024),
        minor_faults: usage.minor_faults,
        major_faults: usage.major_faults,
        voluntary_switches: usage.voluntary_switches,
        involuntary_switches: usage.involuntary_switches,
        read_bytes: counters.read_bytes.unwrap_or(bytes(usage.read_blocks)),
        write_bytes: counters.write_bytes.unwrap_or(bytes(usage.written_blocks)),
        oom_kills: counters.oom_kills.unwrap_or(0),
    }
}
