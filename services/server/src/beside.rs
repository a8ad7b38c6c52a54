//! Work beside all else: what takes a processor for long, since others are for those who wait for other things, and
//! what goes on though nobody waits for it any more.

use tokio::sync::Semaphore;
use tracing::Instrument as _;

/// What is done at a time.
const AT_A_TIME: usize = 2;

/// Does what takes a processor for long beside all else, and some of it at a time.
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static ROOM: Semaphore = Semaphore::const_new(AT_A_TIME);
    let Ok(permit) = ROOM.acquire().await else {
        unreachable!("it is never closed");
    };
    // The work goes on where nobody waits for it any more, and its place is not free before its end.
    let work = move || {
        let done = work();
        drop(permit);
        done
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What comes of `work`, which goes on to its end though nobody waits for it any more.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // All tasks end, this one next.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    /// What would have come by then.
    const SOON: Duration = Duration::from_millis(100);
    /// The end of what nobody ends.
    const LATE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn work_is_done_beside_all_else_and_some_of_it_at_a_time() {
        let (sender, mut begun) = mpsc::unbounded_channel();
        let mut works: Vec<_> = (0..AT_A_TIME + 2)
            .map(|number| {
                let (end, ended) = std::sync::mpsc::channel::<()>();
                let sender = sender.clone();
                let work = tokio::spawn(beside(move || {
                    sender.send(number).expect("it is heard");
                    let _ended = ended.recv_timeout(LATE);
                }));
                Some((work, end))
            })
            .collect();
        let mut first = Vec::new();
        for _ in 0..AT_A_TIME {
            first.push(begun.recv().await.expect("it begins"));
        }
        assert!(timeout(SOON, begun.recv()).await.is_err(), "one too many");
        // Nobody waits for it any more, and it goes on.
        let (work, end) = works[first[0]].take().expect("it is there");
        work.abort();
        work.await.expect_err("it was ended");
        assert!(timeout(SOON, begun.recv()).await.is_err(), "one too many");
        drop(end);
        begun.recv().await.expect("the next begins");
        drop(works);
        begun.recv().await.expect("the last begins");
    }
}
