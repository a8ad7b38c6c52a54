//! What other servers on the same PostgreSQL have done.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::app::ended;
use crate::bus::Bus;
use crate::live::{Live, OUTPUT};
use crate::metrics::Metrics;
use crate::store::{NOTIFICATIONS, Operation, Signal};

/// How long to wait after the connection was lost.
const PAUSE: Duration = Duration::from_secs(1);

/// How long what may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until it is listened.
    connecting: Duration,
    /// Until something is heard. A connection that is lost without a word is as quiet as one without news, so the
    /// database is asked then.
    quiet: Duration,
    /// Until it answers that.
    asking: Duration,
}

const PATIENCE: Patience = Patience {
    connecting: Duration::from_secs(10),
    quiet: Duration::from_secs(30),
    asking: Duration::from_secs(5),
};

/// Passes notifications on, until the server ends. What was missed while there was no connection is
/// made up for by a look at everything.
pub(crate) async fn run(
    url: String,
    bus: Arc<Bus>,
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = ended(&mut shutdown) => return,
            end = pass_on(&url, &bus, &live, PATIENCE) => {
                let Err(error) = end;
                metrics.count_database_error(Operation::Listen);
                tracing::warn!(%error, "other servers are not heard: trying again");
            }
        }
        tokio::select! {
            () = ended(&mut shutdown) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Why nothing is heard any more.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
    #[error("the database did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the database hung up")]
    HungUp,
}

/// What comes of `asked`, if that comes in time.
async fn within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Deaf> {
    let done = timeout(patience, asked).await;
    Ok(done.map_err(|_| Deaf::Late(patience))??)
}

async fn pass_on(
    url: &str,
    bus: &Bus,
    live: &Live,
    patience: Patience,
) -> Result<Infallible, Deaf> {
    let connecting = async {
        let mut listener = PgListener::connect(url).await?;
        listener.listen_all([NOTIFICATIONS, OUTPUT]).await?;
        Ok(listener)
    };
    let mut listener = within(patience.connecting, connecting).await?;
    // What is missed meanwhile is made up for here.
    listener.eager_reconnect(false);
    bus.publish_all();
    loop {
        let Ok(heard) = timeout(patience.quiet, listener.try_recv()).await else {
            within(patience.asking, listener.execute("SELECT 1")).await?;
            continue;
        };
        let notification = heard?.ok_or(Deaf::HungUp)?;
        if notification.channel() == OUTPUT {
            live.hear(notification.payload());
        } else if let Some(signal) = Signal::parse(notification.payload()) {
            bus.publish(&[signal]);
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::Postgres;

    use super::*;
    use crate::bus::Change;
    use crate::store::testing::{Fault, Line};

    #[tokio::test]
    async fn a_connection_that_is_lost_without_a_word_is_given_up() {
        let Some(postgres) = Postgres::start().expect("it starts") else {
            return;
        };
        let proxy = Line::to(&postgres).await;
        let (bus, live) = (Bus::default(), Live::new(None));
        let patience = Patience {
            quiet: Duration::from_millis(100),
            connecting: Duration::from_secs(10),
            asking: Duration::from_secs(3),
        };
        let mut changes = bus.watch();
        let listening = pass_on(&proxy.url, &bus, &live, patience);
        let losing = async {
            let begun = changes.recv().await;
            assert_eq!(begun, Ok(Change::All));
            // As long as there is nothing new, it stays.
            let quiet = timeout(Duration::from_secs(1), changes.recv()).await;
            assert!(quiet.is_err());
            proxy.set(Fault::Silent);
            std::future::pending::<Infallible>().await
        };
        let minute = Duration::from_mins(1);
        let both = Box::pin(async {
            tokio::select! {
                end = listening => end,
                never = losing => match never {},
            }
        });
        let end = timeout(minute, both).await.expect("it listens for ever");
        assert!(matches!(end, Err(Deaf::Late(_))), "{end:?}");
        // Nor does anybody wait for a new one for ever.
        let patience = Patience {
            connecting: Duration::from_millis(100),
            ..patience
        };
        let again = pass_on(&proxy.url, &bus, &live, patience);
        let end = timeout(minute, again).await.expect("it connects for ever");
        assert!(matches!(end, Err(Deaf::Late(_))), "{end:?}");
    }
}
