use std::sync::Mutex;

use super::*;
use crate::cpus::affinity::{KeptAffinity, tests::alone};
use crate::result::Iteration;

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Reporter for Told {
    fn debug(&self, _: &str) {}
    fn info(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
    fn warning(&self, message: &str) {
        self.info(message);
    }
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn iteration(&self, _: &Iteration, _: &str) {}
}

const ONE: Demand = Demand::Vcpus(std::num::NonZeroU8::MIN);

fn begin(cpus: Option<&str>, claim: &Claim<'_>) -> (Result<Pinning, LayoutError>, Vec<String>) {
    let choice = CpuChoice {
        cpus: cpus.map(|cpus| cpus.parse().unwrap()),
        partition: true,
    };
    let told = Arc::new(Told::default());
    let reporter: Arc<dyn Reporter> = told.clone();
    let machines = Machines {
        have_kvm: false,
        have_jail: true,
    };
    let pinning = Pinning::begin(&choice, ONE, machines, claim, &reporter);
    let said = told.0.lock().unwrap().clone();
    (pinning, said)
}

#[test]
fn a_users_runs_are_pinned_one_at_a_time_and_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let _alone = alone();
    let before = permitted().unwrap();
    let reporter: Arc<dyn Reporter> = Arc::new(crate::reporter::Silent);
    let kept = KeptAffinity::now(&reporter);
    let claim = Claim::User(folder.path());
    let (first, said) = begin(None, &claim);
    let first = first.unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("only root takes CPUs away"), "{said:?}");
    let placement = first.placement().unwrap();
    assert_eq!(placement.vcpus.len(), 1);
    assert_eq!(placement.cgroup, None);
    let own = permitted().unwrap().affinity.to_string();
    assert_eq!(first.state().housekeeping, Some(own));
    let (second, said) = begin(None, &claim);
    let second = second.unwrap();
    assert_eq!(second.placement(), None);
    assert!(!second.state().pinned);
    assert!(said[0].contains("another runner of this user"), "{said:?}");
    drop((first, second));
    assert!(begin(None, &claim).0.unwrap().state().pinned);
    drop(kept);
    assert_eq!(permitted().unwrap(), before);
}

#[test]
fn who_has_not_the_host_is_unpinned_unless_cpus_are_named() {
    let _alone = alone();
    let reporter: Arc<dyn Reporter> = Arc::new(crate::reporter::Silent);
    let taken = Claim::Taken("another runner has it".to_owned());
    for (claim, reason, lines) in [
        (&Claim::Off, "it was turned off", 0),
        (&taken, "another runner has it", 1),
    ] {
        let (pinning, said) = begin(None, claim);
        let pinning = pinning.unwrap();
        assert_eq!(pinning.state().reason.as_deref(), Some(reason));
        assert_eq!((pinning.placement(), said.len()), (None, lines));
        let first = permitted().unwrap().cpuset.iter().next().unwrap();
        let _kept = KeptAffinity::now(&reporter);
        let (pinning, _) = begin(Some(&first.to_string()), claim);
        assert_eq!(pinning.unwrap().placement().unwrap().vcpus, [first]);
    }
    let (error, _) = begin(Some("60000"), &taken);
    assert!(matches!(error, Err(LayoutError::NotOnline { .. })));
}

#[test]
fn what_a_partition_takes() {
    let layout = |benchmark: &str, idle: &str, housekeeping: &str, emulator| Layout {
        benchmark: benchmark.parse().unwrap(),
        housekeeping: housekeeping.parse().unwrap(),
        idle: idle.parse().unwrap(),
        vcpus: Vec::new(),
        emulator,
        node: None,
        compromises: std::collections::BTreeSet::new(),
    };
    let taken = |demand, layout| wanted(demand, &layout).map(|cpus| cpus.to_string());
    let many = layout("3", "7", "0-2,4-6", Some(6));
    assert_eq!(leaves_a_cpu(&many), Ok(()));
    assert_eq!(taken(ONE, many.clone()), Ok("3,6-7".to_owned()));
    assert_eq!(taken(Demand::AsMany, many), Ok("3,7".to_owned()));
    let two = layout("1", "", "0", None);
    assert!(taken(ONE, two.clone()).unwrap_err().contains("too few"));
    assert_eq!(taken(Demand::AsMany, two), Ok("1".to_owned()));
    let one = layout("0", "", "0", None);
    assert!(
        taken(Demand::AsMany, one)
            .unwrap_err()
            .contains("no CPU left")
    );
}

#[test]
fn what_was_had_instead_of_a_partition_is_said() {
    let mut state = CpuLayoutState {
        benchmark: Some("1".to_owned()),
        housekeeping: Some("0".to_owned()),
        partition_reason: Some("no controller".to_owned()),
        ..CpuLayoutState::default()
    };
    let said = |state: &CpuLayoutState, expected: &str| {
        let said = state.summary();
        assert_eq!(
            said,
            format!("CPUs: benchmark 1, housekeeping 0 ({expected})")
        );
    };
    said(&state, "no partition: no controller");
    state.precedence_reason = Some("no cgroups".to_owned());
    said(
        &state,
        "no partition: no controller; no precedence: no cgroups",
    );
    state.precedence = Some(100);
    said(
        &state,
        "no partition: no controller; 100 times the weight of others",
    );
    state = CpuLayoutState {
        partition: Some(PartitionKind::Isolated),
        partition_reason: None,
        precedence: None,
        precedence_reason: None,
        ..state
    };
    said(&state, "an isolated partition");
}

#[test]
fn nothing_is_taken_for_what_would_not_be_put_there() {
    let choice = CpuChoice {
        cpus: None,
        partition: true,
    };
    let may = |have_jail| {
        let machines = Machines {
            have_kvm: true,
            have_jail,
        };
        may_take(&choice, &Claim::Host, machines)
    };
    assert_eq!(may(true), Ok(()));
    assert_eq!(may(false), Err(WITHOUT_JAIL.to_owned()));
}
