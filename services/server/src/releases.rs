//! Which program a runner is offered: the best one of its channel and its kind of machine, unless it
//! is that program, or a later version.
//!
//! ```text
//!  the best of the releases      the runner
//!  a later version               any                       offered
//!  the same version              another checksum          offered
//!  the same version              this checksum, or none    not offered
//!  an earlier version            any                       not offered
//! ```
//!
//! So a runner goes from one program to another only towards the best one, and never in a circle. What
//! it does with an offer is its own affair; one that comes back as it was is offered the same program
//! again only after [`PACE`].

use std::cmp::Ordering;
use std::time::Duration;

use bencher_channel_protocol::{RunnerInfo, Update, UpdateChannel};
use bencher_jobs::{RunnerId, Timestamp};
use semver::Version;

use crate::store::{Kind, Release, Store, StoreError};

/// How long a runner is not offered the same program once more.
const PACE: Duration = Duration::from_hours(1);

/// What a channel is called.
pub(crate) fn channel_name(channel: UpdateChannel) -> &'static str {
    match channel {
        UpdateChannel::Stable => "stable",
        UpdateChannel::Canary => "canary",
    }
}

/// The program that `runner`, which says `info` of itself, is to be offered now; that it was is
/// written down.
pub(crate) async fn offer(
    store: &Store,
    runner: RunnerId,
    info: &RunnerInfo,
) -> Result<Option<Update>, StoreError> {
    let kind = Kind {
        channel: channel_name(info.channel.unwrap_or(UpdateChannel::Stable)).to_owned(),
        os: info.os.name().to_owned(),
        architecture: info.arch.name().to_owned(),
    };
    let releases = store.releases_for(&kind).await?;
    let Some(update) = best(&releases).and_then(|best| wanted(best, info)) else {
        return Ok(None);
    };
    let checksum = update.checksum.to_string();
    let checksum = &checksum;
    let (is_due, _nobody_waits) = store
        .write(|mut transaction| async move {
            let is_due = transaction.offer(runner, checksum, Timestamp::now(), PACE);
            let is_due = is_due.await;
            (transaction, is_due)
        })
        .await?;
    Ok(is_due.then_some(update))
}

/// The latest version; of several with the same one, the one that was published last.
fn best(releases: &[Release]) -> Option<(&Release, Version)> {
    releases
        .iter()
        .filter_map(|release| Some((release, Version::parse(&release.program.version).ok()?)))
        .max_by(|(one, version), (other, other_version)| {
            version
                .cmp_precedence(other_version)
                .then(one.id.cmp(&other.id))
        })
}

/// The release as an offer, if it is anything for a runner that says this of itself.
fn wanted((release, version): (&Release, Version), info: &RunnerInfo) -> Option<Update> {
    // Of what has no order it is not known whether it would be a step back.
    let own = Version::parse(&info.version).ok()?;
    let checksum = release.program.checksum.parse().ok()?;
    let is_wanted = match (version.cmp_precedence(&own), &info.checksum) {
        (_, Some(own)) if *own == checksum => false,
        (Ordering::Greater, _) | (Ordering::Equal, Some(_)) => true,
        (Ordering::Equal, None) | (Ordering::Less, _) => false,
    };
    is_wanted.then(|| Update {
        version: release.program.version.clone(),
        url: release.program.url.clone(),
        checksum,
    })
}

#[cfg(test)]
mod tests {
    use bencher_channel_protocol::{Architecture, Checksum, Os};
    use bencher_jobs::ReleaseId;

    use super::*;
    use crate::store::{NewRelease, testing};

    fn release(version: &str, byte: u8) -> Release {
        Release {
            id: ReleaseId::generate(),
            program: NewRelease {
                version: version.to_owned(),
                url: format!("http://127.0.0.1/{byte}"),
                checksum: Checksum::new([byte; 32]).to_string(),
                kind: Kind {
                    channel: "stable".to_owned(),
                    os: "linux".to_owned(),
                    architecture: "x86_64".to_owned(),
                },
            },
            created: Timestamp::now(),
        }
    }

    fn info(version: &str, checksum: Option<u8>) -> RunnerInfo {
        RunnerInfo {
            os: Os::Linux,
            arch: Architecture::X86_64,
            version: version.to_owned(),
            channel: None,
            checksum: checksum.map(|byte| Checksum::new([byte; 32])),
            live_output: false,
        }
    }

    fn offered(releases: &[Release], info: &RunnerInfo) -> Option<u8> {
        let update = best(releases).and_then(|best| wanted(best, info))?;
        Some(update.checksum.bytes()[0])
    }

    #[test]
    fn runners_go_forwards_only() {
        let releases = [
            release("1.9.0", 1),
            release("1.10.0", 2),
            release("1.10.0-canary.1", 3),
            release("1.2.0", 4),
        ];
        for (version, checksum, offer) in [
            ("1.2.0", Some(4), Some(2)),
            ("1.2.0", None, Some(2)),
            ("1.10.0-canary.1", Some(3), Some(2)),
            ("1.10.0", Some(2), None),
            ("1.10.0", Some(9), Some(2)),
            ("1.10.0", None, None),
            // The release says another version than the program does.
            ("1.2.0", Some(2), None),
            ("1.10.1", Some(9), None),
            ("2.0.0", None, None),
            ("unknown", Some(9), None),
        ] {
            let found = offered(&releases, &info(version, checksum));
            assert_eq!(found, offer, "{version} {checksum:?}");
        }
        assert_eq!(offered(&[], &info("1.0.0", None)), None);
    }

    #[test]
    fn of_one_version_the_last_counts_whatever_the_order() {
        let (first, last) = (release("1.0.0+a", 1), release("1.0.0", 2));
        for releases in [[first.clone(), last.clone()], [last, first]] {
            assert_eq!(offered(&releases, &info("1.0.0", Some(1))), Some(2));
            assert_eq!(offered(&releases, &info("1.0.0", Some(2))), None);
        }
    }

    #[test]
    fn no_offer_leads_in_a_circle() {
        let releases: Vec<_> = ["1.0.0", "2.0.0", "1.5.0", "2.0.0"]
            .iter()
            .zip(1..)
            .map(|(version, byte)| release(version, byte))
            .collect();
        for start in 1..=4_u8 {
            let version = |byte: u8| &releases[usize::from(byte) - 1].program.version;
            let mut at = start;
            let mut steps = 0;
            while let Some(next) = offered(&releases, &info(version(at), Some(at))) {
                at = next;
                steps += 1;
                assert!(steps < 10, "from {start}");
            }
            assert!(version(at) >= version(start));
        }
    }

    #[tokio::test]
    async fn the_same_program_is_not_offered_again_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a store");
        let spec = testing::spec(&store, "s").await;
        let (runner, _) = testing::runner(&store, "r", spec).await;
        let now = Timestamp::now();
        let later = Timestamp::from_milliseconds(now.milliseconds() + 3_600_000);
        for (checksum, when, is_due) in [
            ("a", now, true),
            ("a", now, false),
            ("b", now, true),
            ("b", now, false),
            ("b", later, true),
        ] {
            let offered = store.write(|mut transaction| async {
                let done = transaction.offer(runner, checksum, when, PACE).await;
                (transaction, done)
            });
            let (offered, _) = offered.await.expect("it is written");
            assert_eq!(offered, is_due, "{checksum} {when:?}");
        }
    }
}
