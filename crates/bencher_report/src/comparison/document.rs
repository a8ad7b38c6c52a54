use std::fmt;

pub use bencher_runner::result::Better;
use bencher_runner::result::{Host, Limits, Precision, RunnerIdentity, Setup, Trust, Unit};
use bencher_statistics as statistics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Difference, TimeDependence};
use crate::unit::MetricUnit;

/// The version of this document's layout. Fields are added without a new version; a field that
/// changes its meaning or goes raises it.
pub const VERSION: u32 = 1;

/// What `runner compare` found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The version of this document's layout.
    pub version: u32,
    /// The program that made this document.
    pub runner: RunnerIdentity,
    /// What is compared with: A.
    pub baseline: Side,
    /// What is compared: B.
    pub candidate: Side,
    /// How the sides were measured.
    pub design: Design,
    /// What the answers were asked with.
    pub settings: Settings,
    /// In what the machines of the sides differ.
    pub differences: Vec<Difference>,
    /// Whether the sides are compared in spite of a difference that speaks against it.
    pub forced: bool,
    /// What each metric says, in the order in which they were asked for.
    pub metrics: Vec<MetricComparison>,
    /// How much slower the candidate may be, and whether it is; absent where that was not asked.
    pub gate: Option<Gate>,
    /// How narrow the ratio's interval was to be; absent where a number of iterations was asked for.
    pub precision: Option<Precision>,
    /// Why this is not all that was asked for, in words; absent where it is.
    pub incomplete: Option<String>,
    /// What speaks against the answers, in words.
    pub warnings: Vec<String>,
}

/// What ran on one side, and where.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// What people call it.
    pub label: String,
    /// The file that its result came from; absent when it was run for this comparison.
    pub file: Option<String>,
    /// When its run began, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// What ran and where; absent where only what it wrote is known, as of a job that a server gave to a
    /// runner.
    #[serde(flatten)]
    pub setup: Option<Setup>,
    /// The host around the machine.
    pub host: Host,
    /// Whether its times can be compared with those of other machines.
    pub trust: Trust,
    /// Iterations that are compared.
    pub iterations: u32,
    /// Iterations that are left out: the command failed, or the other one of the pair did.
    pub left_out: u32,
    /// Iterations that the result document lacks, since it had to be short; absent where it lacks none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u32>,
    /// Iterations that warmed up.
    pub warmups: u32,
    /// What bounded them; absent where it is not known what ran, and in documents from before it was in them.
    pub limits: Option<Limits>,
    /// Whether the host's processor and kernel counted events.
    #[serde(default)]
    pub perf_counters: bool,
    /// Which adapter read metrics of a harness, and out of what; absent where none did.
    #[serde(default)]
    pub adapter: Option<String>,
}

/// How the sides were measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Design {
    /// In which manner.
    pub arrangement: Arrangement,
    /// Which side of each pair came first; empty where there are no pairs.
    pub orders: Vec<First>,
    /// What the orders follow from; absent where there are none.
    pub seed: Option<u64>,
}

/// In which manner the sides were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// In turns, so that what the host did to both is no difference.
    Interleaved,
    /// One after the other, or on different days: what the host did meanwhile is in the ratio.
    Independent,
}

/// Which side of a pair came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum First {
    /// A, then B.
    Baseline,
    /// B, then A.
    Candidate,
}

/// What the answers were asked with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// How sure intervals are, as a share: 0.95.
    pub confidence: f64,
    /// The smallest change of interest, as a share of the baseline: 0.01 is 1 %.
    pub interest: f64,
    /// What the bootstrap drew.
    #[serde(default)]
    pub levels: Levels,
    /// How often the bootstrap drew.
    pub rounds: u32,
    /// What its draws follow from.
    pub seed: u64,
}

/// What a bootstrap draws.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Levels {
    /// Iterations, each with all samples that a harness took inside it.
    #[default]
    Iterations,
    /// Iterations, and samples inside of them.
    Both,
}

impl From<Levels> for statistics::Levels {
    fn from(levels: Levels) -> Self {
        match levels {
            Levels::Iterations => Self::Invocations,
            Levels::Both => Self::Both,
        }
    }
}

/// What one metric says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MetricComparison {
    /// Its name.
    pub name: String,
    /// What its values count.
    pub unit: MetricUnit,
    /// Which values are better.
    pub better: Better,
    /// What was measured of the baseline.
    pub baseline: Measurements,
    /// What was measured of the candidate.
    pub candidate: Measurements,
    /// How the ratios of the pairs depend on the time at which they were measured; absent where the sides
    /// did not take turns, of fewer than four pairs and of equal ratios.
    pub pairs: Option<TimeDependence>,
    /// The answer; absent when there is none.
    pub answer: Option<Answer>,
    /// Why there is no answer.
    pub problem: Option<String>,
}

/// What was measured of one side.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Measurements {
    /// Each value that is compared, in the order of the iterations.
    pub points: Vec<Point>,
    /// What they are like; absent when there are none.
    pub summary: Option<Summary>,
    /// How they depend on the time at which they were measured; absent of fewer than four, and of equal
    /// ones.
    pub time: Option<TimeDependence>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The number of its iteration.
    pub iteration: u32,
    /// The value, in the metric's unit; of several samples their mean.
    pub value: f64,
    /// The samples that a harness took inside the iteration, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<f64>,
    /// Why it is not to be trusted; absent where nothing speaks against it.
    pub suspect: Option<String>,
    /// Whether it lies far from the others (Tukey's fences). That alone speaks not against it.
    pub outlier: bool,
}

/// What values are like, in their unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The arithmetic mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// A quarter lies below.
    pub first_quartile: f64,
    /// A quarter lies above.
    pub third_quartile: f64,
    /// The standard deviation of single values.
    pub standard_deviation: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub greatest: f64,
}

/// What a comparison of a metric came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// What it comes to.
    pub verdict: Verdict,
    /// How many times as large the candidate's mean is as the baseline's.
    pub ratio: Interval,
    /// What the interval follows from.
    pub method: Method,
    /// The probability of a ratio as far from 1 when the sides are alike.
    pub p_value: f64,
    /// The same, adjusted for the number of metrics (Benjamini and Hochberg); the verdict goes by it.
    pub adjusted_p_value: f64,
    /// A second opinion by ranks.
    pub ranks: Ranks,
    /// The smallest change that would be seen in 80 % of such comparisons, as a share.
    pub detectable: f64,
}

/// A number and where the true one is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The number.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What an interval follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Each side measured exactly the same each time: there is nothing that chance could have done.
    Exact,
    /// Pairs of neighbouring iterations are drawn.
    Paired,
    /// Each side's iterations are drawn.
    Independent,
    /// A side has one invocation only, of which batches of iterations are drawn.
    WithinInvocation,
}

/// The test of Mann and Whitney, and measures of the effect's size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranks {
    /// Pairs of values in which the candidate's is larger.
    pub u: f64,
    /// The probability of a `u` as extreme when the sides are alike.
    pub p_value: f64,
    /// Whether it is counted over all orders instead of approximated.
    pub exact: bool,
    /// Cliff's delta, from -1 (the candidate's are all smaller) to 1.
    pub cliffs_delta: f64,
    /// The shift of Hodges and Lehmann, in the metric's unit.
    pub shift: f64,
}

/// What a comparison says of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is better.
    Faster,
    /// It is worse.
    Slower,
    /// A difference of interest would have been seen, and was not.
    NoDifferenceSeen,
    /// The interval is wider than what is of interest: measure more, or make the host quieter.
    TooNoisy,
}

/// How much slower the candidate may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The share by which it may be slower: 0.03 is 3 %.
    pub fail_if_slower: f64,
    /// The metrics that were looked at.
    pub metrics: Vec<String>,
    /// Those of them in which it is slower, by more than that.
    pub failed: Vec<String>,
    /// Those of them too noisy to see so small a change reliably.
    pub blind: Vec<String>,
}

impl Gate {
    /// Whether the candidate is as fast as it has to be.
    pub fn passed(&self) -> bool {
        self.failed.is_empty()
    }
}

impl Verdict {
    /// Whether it says that the sides differ.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Faster | Self::Slower)
    }

    /// The word for a metric of this unit: less memory is not faster.
    pub fn word(self, unit: &MetricUnit) -> &'static str {
        let is_of_speed = unit.is_of_speed();
        match self {
            Self::Faster if is_of_speed => "faster",
            Self::Slower if is_of_speed => "slower",
            Self::Faster => "better",
            Self::Slower => "worse",
            Self::NoDifferenceSeen => "no difference seen",
            Self::TooNoisy => "too noisy to say",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word(&Unit::Nanoseconds.into()))
    }
}

impl From<statistics::Verdict> for Verdict {
    fn from(verdict: statistics::Verdict) -> Self {
        match verdict {
            statistics::Verdict::Faster => Self::Faster,
            statistics::Verdict::Slower => Self::Slower,
            statistics::Verdict::NoDifferenceSeen => Self::NoDifferenceSeen,
            statistics::Verdict::TooNoisy => Self::TooNoisy,
        }
    }
}

impl From<statistics::Method> for Method {
    fn from(method: statistics::Method) -> Self {
        match method {
            statistics::Method::Exact => Self::Exact,
            statistics::Method::Paired => Self::Paired,
            statistics::Method::Independent => Self::Independent,
            statistics::Method::WithinInvocation => Self::WithinInvocation,
        }
    }
}

impl From<statistics::Order> for First {
    fn from(order: statistics::Order) -> Self {
        match order {
            statistics::Order::BaselineFirst => Self::Baseline,
            statistics::Order::CandidateFirst => Self::Candidate,
        }
    }
}

impl From<&statistics::Comparison> for Answer {
    fn from(found: &statistics::Comparison) -> Self {
        let ranks = &found.ranks;
        Self {
            verdict: found.verdict.into(),
            ratio: Interval {
                value: found.ratio.value,
                low: found.ratio.low,
                high: found.ratio.high,
            },
            method: found.method.into(),
            p_value: found.p_value,
            adjusted_p_value: found.adjusted_p_value.unwrap_or(found.p_value),
            ranks: Ranks {
                u: ranks.u,
                p_value: ranks.p_value,
                exact: ranks.exact,
                cliffs_delta: ranks.cliffs_delta(),
                shift: ranks.shift,
            },
            detectable: found.detectable,
        }
    }
}

impl From<&statistics::Summary> for Summary {
    fn from(summary: &statistics::Summary) -> Self {
        Self {
            mean: summary.mean,
            median: summary.median,
            first_quartile: summary.first_quartile,
            third_quartile: summary.third_quartile,
            standard_deviation: summary.standard_deviation,
            least: summary.least,
            greatest: summary.greatest,
        }
    }
}
