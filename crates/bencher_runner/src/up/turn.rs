//! A job's turn on a machine that has several runners.

use std::sync::Arc;
use std::time::Duration;

use bencher_channel_protocol::runner::{Failure, Fault};
use bencher_oci::Image;

use super::job::Workshop;
use super::lock::Turn;
use crate::images::{ImageChoice, PullPolicy, open_image, pull_image};
use crate::run::{self, RunError};
use crate::{Interrupts, interruptible};

/// How often it is looked whether another job is over: whoever waits for a lock itself hears no order to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The machine is a job's, and its image on this host if it has waited, as long as this lives.
#[derive(Debug)]
pub(super) struct HadTurn {
    _turn: Option<Turn>,
    _image: Option<Image>,
}

/// Waits until no other runner of this machine has a job. Where it has to wait, the image is fetched before:
/// the token for it ends sooner than the other job may.
///
/// # Errors
///
/// Why the job has failed already.
pub(super) async fn turn(
    workshop: &Workshop,
    image: &mut ImageChoice,
    interrupts: &mut Interrupts,
) -> Result<HadTurn, Failure> {
    let mut fetched = None;
    loop {
        let turn = match Turn::take(&workshop.directories.state) {
            Ok(turn) => turn.map(Some),
            Err(error) => {
                workshop.reporter.warning(&format!(
                    "it is not known whether another job runs on this machine: {error}"
                ));
                Some(None)
            }
        };
        if let Some(turn) = turn {
            return Ok(HadTurn {
                _turn: turn,
                _image: fetched,
            });
        }
        if fetched.is_none() {
            fetched = Some(fetch(workshop, image.clone(), interrupts).await?);
            // The token has said that the job may have it, and is not asked again.
            image.pull = PullPolicy::Missing;
            workshop.reporter.info(
                "a job of another runner runs on this machine: this one has its image, and waits for its end",
            );
            continue;
        }
        tokio::select! {
            _ = interrupts.next() => {
                return Err(Failure {
                    error: "a job of another runner ran on this machine until then".to_owned(),
                    fault: Fault::Job,
                });
            }
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

async fn fetch(
    workshop: &Workshop,
    image: ImageChoice,
    interrupts: &mut Interrupts,
) -> Result<Image, Failure> {
    let directories = workshop.directories.clone();
    let reporter = Arc::clone(&workshop.reporter);
    let fetched = interruptible(interrupts, move |cancel| {
        pull_image(&image, &directories, reporter.as_ref(), cancel)?;
        open_image(&image.name, &image.platform, &directories)
    })
    .await;
    let fetched = fetched.map_err(RunError::from);
    fetched.and_then(|it| Ok(it?)).map_err(|error| Failure {
        error: error.to_string(),
        fault: match error.fault(false) {
            run::Fault::Run => Fault::Job,
            run::Fault::Host => Fault::Host,
        },
    })
}
