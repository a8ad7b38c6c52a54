//! Blocking work that a signal ends.

use std::time::Duration;

use bencher_oci::Cancellation;
use nix::sys::signal::Signal;
use thiserror::Error;

use crate::Interrupts;

/// How long interrupted work may take to clean up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why blocking work has no result.
#[derive(Debug, Error)]
pub enum Unfinished {
    /// The user wanted it to stop.
    #[error("interrupted")]
    Interrupted(Signal),
    /// The same, and it did not stop.
    #[error("interrupted; what was being done did not end in time, and is left alone")]
    LeftAlone(Signal),
    /// Its thread ended without a result.
    #[error("a thread of the runner failed: {0}")]
    Thread(std::io::Error),
}

/// Does `work` on a thread of its own, so that an interrupt is noticed at once. What `work` is
/// given tells it when it should end.
///
/// After an interrupt it is waited for a little, so that it can clean up. Whatever is left of work
/// that does not notice, the next runner removes.
///
/// # Errors
///
/// [`Unfinished`]; what `work` returns is returned as it is.
pub async fn interruptible<T: Send + 'static>(
    interrupts: &mut Interrupts,
    work: impl FnOnce(&Cancellation) -> T + Send + 'static,
) -> Result<T, Unfinished> {
    let cancel = Cancellation::default();
    let work = {
        let cancel = cancel.clone();
        tokio::task::spawn_blocking(move || work(&cancel))
    };
    tokio::pin!(work);
    tokio::select! {
        joined = &mut work => joined.map_err(|error| Unfinished::Thread(std::io::Error::other(error))),
        signal = interrupts.next() => {
            cancel.cancel();
            tokio::select! {
                _ = &mut work => Err(Unfinished::Interrupted(signal)),
                _ = interrupts.next() => Err(Unfinished::LeftAlone(signal)),
                () = tokio::time::sleep(PATIENCE) => Err(Unfinished::LeftAlone(signal)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn work_that_ends_by_itself_has_its_result() {
        let done = block_on(async {
            let mut interrupts = Interrupts::catch().unwrap();
            interruptible(&mut interrupts, Cancellation::is_cancelled).await
        });
        assert!(!done.unwrap());
    }

    #[test]
    fn a_signal_tells_the_work_to_end() {
        let (told, was_told) = std::sync::mpsc::channel();
        let ended = block_on(async {
            let mut interrupts = Interrupts::catch().unwrap();
            raise(Signal::SIGHUP).unwrap();
            interruptible(&mut interrupts, move |cancel| {
                cancel.wait(Duration::MAX);
                told.send(()).unwrap();
            })
            .await
        });
        assert!(matches!(
            ended,
            Err(Unfinished::Interrupted(Signal::SIGHUP))
        ));
        was_told.try_recv().unwrap();
    }

    #[test]
    fn work_that_panics_is_an_error() {
        let ended = block_on(async {
            let mut interrupts = Interrupts::catch().unwrap();
            interruptible(&mut interrupts, |_| panic!("as it should")).await
        });
        let ended: Result<(), _> = ended;
        assert!(matches!(ended, Err(Unfinished::Thread(_))));
    }
}
