//! Making the host quiet.

use std::collections::BTreeSet;

use bencher_runner::cpus::CpuSet;
use bencher_runner::tuning::{
    Feature, PerfEventParanoid, Swappiness, ThpMode, TuningChoices, TuningPolicy, TuningStrictness,
};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand, ValueEnum};

/// The host's tuning while something runs.
#[derive(Debug, Args)]
pub(crate) struct HostTuning {
    /// Leave this host as it is; else root's runs tune it, and put it back
    #[arg(
        long,
        env = "BENCHER_RUNNER_NO_TUNING",
        value_parser = FalseyValueParser::new(),
        conflicts_with = "require_tuning",
        help_heading = "Host tuning"
    )]
    no_tuning: bool,
    /// Fail unless everything can be tuned that is not kept
    #[arg(long, help_heading = "Host tuning")]
    require_tuning: bool,
    #[command(flatten)]
    knobs: Knobs,
}

/// What is tuned, and to what.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is an option of its own"
)]
pub(crate) struct Knobs {
    /// Keep address space layout randomization, of the command too; it is turned off else
    #[arg(long, help_heading = "Host tuning")]
    aslr: bool,
    /// Keep the NMI watchdog
    #[arg(long, help_heading = "Host tuning")]
    nmi_watchdog: bool,
    /// Keep simultaneous multithreading
    #[arg(long, help_heading = "Host tuning")]
    smt: bool,
    /// Keep turbo frequencies
    #[arg(long, help_heading = "Host tuning")]
    turbo: bool,
    /// Keep NUMA balancing
    #[arg(long, help_heading = "Host tuning")]
    numa_balancing: bool,
    /// Keep timers that move between CPUs
    #[arg(long, help_heading = "Host tuning")]
    timer_migration: bool,
    /// Keep the soft lockup watchdog
    #[arg(long, help_heading = "Host tuning")]
    soft_watchdog: bool,
    /// Keep the merging of equal pages
    #[arg(long, help_heading = "Host tuning")]
    ksm: bool,
    /// Keep deep idle states
    #[arg(long, help_heading = "Host tuning")]
    cstates: bool,
    /// Leave interrupts and the kernel's own work where they are
    #[arg(long, help_heading = "Host tuning")]
    no_irq_steering: bool,
    /// How eagerly the host swaps, 0 to 200
    #[arg(long, value_name = "N", default_value_t, help_heading = "Host tuning")]
    swappiness: Swappiness,
    /// The frequency governor; frequencies are pinned with `performance` only
    #[arg(
        long,
        value_name = "NAME",
        default_value = "performance",
        help_heading = "Host tuning"
    )]
    governor: String,
    /// What users without rights may measure, -1 to 4 [default: as it is]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Host tuning"
    )]
    perf_event_paranoid: Option<PerfEventParanoid>,
    /// Transparent huge pages
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value_t,
        help_heading = "Host tuning"
    )]
    thp: Thp,
    /// Drop the page cache before the first iteration
    #[arg(long, help_heading = "Host tuning")]
    drop_page_cache: bool,
}

/// Tunes this host for what is not started by `runner run`, or for many runs. It stays tuned until
/// `restore`, or until it is rebooted.
#[derive(Debug, Args)]
pub(crate) struct Tune {
    #[command(subcommand)]
    pub(crate) command: TuneCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TuneCommand {
    /// Tune this host until it is put back; needs root
    Apply {
        #[command(flatten)]
        knobs: Knobs,
        /// The CPUs for interrupts and the kernel's own work; without any they are not steered
        #[arg(long, value_name = "LIST", help_heading = "Host tuning")]
        housekeeping_cpus: Option<CpuSet>,
        /// Fail unless everything can be tuned that is not kept
        #[arg(long, help_heading = "Host tuning")]
        require_tuning: bool,
    },
    /// Show what each knob is, should be and was
    Status {
        #[command(flatten)]
        knobs: Knobs,
        /// The CPUs for interrupts and the kernel's own work
        #[arg(long, value_name = "LIST", help_heading = "Host tuning")]
        housekeeping_cpus: Option<CpuSet>,
        /// Print JSON, as in the result document
        #[arg(long)]
        json: bool,
    },
    /// Put everything back as it was before it was tuned; needs root
    Restore,
}

/// The mode of transparent huge pages.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Thp {
    /// Wherever they fit
    Always,
    /// Where a process asks for them
    Madvise,
    /// Nowhere
    #[default]
    Never,
}

impl HostTuning {
    /// What is wanted.
    pub(crate) fn policy(&self) -> TuningPolicy {
        TuningPolicy {
            strictness: match (self.no_tuning, self.require_tuning) {
                (true, _) => TuningStrictness::Off,
                (_, true) => TuningStrictness::Required,
                _ => TuningStrictness::Possible,
            },
            choices: self.knobs.choices(),
        }
    }
}

impl Knobs {
    /// What is wanted.
    pub(crate) fn choices(&self) -> TuningChoices {
        let kept: BTreeSet<_> = [
            (self.aslr, Feature::Aslr),
            (self.nmi_watchdog, Feature::NmiWatchdog),
            (self.smt, Feature::Smt),
            (self.turbo, Feature::Turbo),
            (self.numa_balancing, Feature::NumaBalancing),
            (self.timer_migration, Feature::TimerMigration),
            (self.soft_watchdog, Feature::SoftWatchdog),
            (self.ksm, Feature::Ksm),
            (self.cstates, Feature::CStates),
            (self.no_irq_steering, Feature::IrqSteering),
        ]
        .into_iter()
        .filter_map(|(is_kept, feature)| is_kept.then_some(feature))
        .collect();
        TuningChoices {
            keep: kept,
            swappiness: self.swappiness,
            governor: self.governor.clone(),
            perf_event_paranoid: self.perf_event_paranoid,
            thp: match self.thp {
                Thp::Always => ThpMode::Always,
                Thp::Madvise => ThpMode::Madvise,
                Thp::Never => ThpMode::Never,
            },
            drop_page_cache: self.drop_page_cache,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn policy(words: &[&str]) -> TuningPolicy {
        let fixed = ["runner", "run", "--image", "x"];
        let words = fixed.iter().chain(words);
        let Command::Run(run) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("it is a run");
        };
        run.benchmark.tuning.policy()
    }

    #[test]
    fn each_option_keeps_its_own_feature() {
        assert!(policy(&[]).choices.keep.is_empty());
        for (word, feature) in [
            ("--aslr", Feature::Aslr),
            ("--nmi-watchdog", Feature::NmiWatchdog),
            ("--smt", Feature::Smt),
            ("--turbo", Feature::Turbo),
            ("--numa-balancing", Feature::NumaBalancing),
            ("--timer-migration", Feature::TimerMigration),
            ("--soft-watchdog", Feature::SoftWatchdog),
            ("--ksm", Feature::Ksm),
            ("--cstates", Feature::CStates),
            ("--no-irq-steering", Feature::IrqSteering),
        ] {
            assert_eq!(policy(&[word]).choices.keep, [feature].into(), "{word}");
        }
    }

    #[test]
    fn values_are_taken_over() {
        let words = [
            "--swappiness=1",
            "--governor=schedutil",
            "--perf-event-paranoid",
            "-1",
            "--thp=madvise",
            "--drop-page-cache",
            "--require-tuning",
        ];
        let policy = policy(&words);
        assert_eq!(policy.strictness, TuningStrictness::Required);
        let choices = policy.choices;
        assert_eq!(choices.swappiness.to_string(), "1");
        assert_eq!(choices.governor, "schedutil");
        assert_eq!(choices.perf_event_paranoid.unwrap().to_string(), "-1");
        assert_eq!(choices.thp, ThpMode::Madvise);
        assert!(choices.drop_page_cache);
    }

    #[test]
    fn the_defaults_are_the_librarys() {
        let ours = format!("{:?}", policy(&[]).choices);
        assert_eq!(ours, format!("{:?}", TuningChoices::default()));
    }
}
