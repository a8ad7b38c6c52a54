//! Whether a runner that is no more left the host tuned.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::tuning::TunedBy;

pub(super) const CHECK: Check = Check {
    name: "left-over",
    why: "a host that stays tuned has less of its hardware than it was paid for",
    examine,
};

fn examine(host: &Host) -> Outcome {
    match (host.tuned_by(), &host.tuning) {
        (Some(TunedBy::LeftOver), _) => Outcome::warn(
            "the tuning of a runner that was killed is still in force",
            "runner tune restore",
        ),
        // Whoever takes CPUs has tuned the host before, and root sees that.
        (Some(TunedBy::Nobody | TunedBy::TuneApply), Ok(_))
            if host.has_taken_cpus && host.is_root =>
        {
            Outcome::warn(
                "CPUs are still set apart for a runner that was killed",
                "runner tune restore",
            )
        }
        (Some(TunedBy::Run), _) => Outcome::pass("a run has the host tuned just now"),
        (Some(TunedBy::TuneApply), _) => Outcome::pass("`runner tune apply` tuned it, to stay"),
        (Some(TunedBy::Nobody), Ok(state)) => {
            Outcome::pass(state.reason.as_deref().unwrap_or("nothing"))
        }
        (_, Err(reason)) => Outcome::limited(reason.clone()),
        (None, Ok(_)) => Outcome::pass("nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn only_what_nobody_will_put_back_is_a_fault() {
        let mut host = FakeHost::new("0", &[]).host;
        assert_eq!(examine(&host), Outcome::pass("nothing"));
        for (who, fix) in [
            (TunedBy::Run, None),
            (TunedBy::TuneApply, None),
            (TunedBy::LeftOver, Some("runner tune restore")),
        ] {
            host.tuning.as_mut().unwrap().tuned_by = who;
            assert_eq!(examine(&host).fix.as_deref(), fix, "{who:?}");
        }
        host.tuning.as_mut().unwrap().tuned_by = TunedBy::Nobody;
        host.has_taken_cpus = true;
        assert!(examine(&host).found.contains("still set apart"));
    }
}
