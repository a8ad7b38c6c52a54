//! What other servers on the same PostgreSQL have done.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;

use crate::app::ended;
use crate::bus::Bus;
use crate::live::{Live, OUTPUT};
use crate::metrics::Metrics;
use crate::store::{NOTIFICATIONS, Operation, Signal};

/// How long to wait after the connection was lost.
const PAUSE: Duration = Duration::from_secs(1);

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
            error = pass_on(&url, &bus, &live) => {
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

async fn pass_on(url: &str, bus: &Bus, live: &Live) -> sqlx::Error {
    let mut listener = match PgListener::connect(url).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen_all([NOTIFICATIONS, OUTPUT]).await {
        return error;
    }
    bus.publish_all();
    loop {
        match listener.try_recv().await {
            Ok(Some(notification)) if notification.channel() == OUTPUT => {
                live.hear(notification.payload());
            }
            Ok(Some(notification)) => {
                if let Some(signal) = Signal::parse(notification.payload()) {
                    bus.publish(&[signal]);
                }
            }
            // It was lost and is there again.
            Ok(None) => bus.publish_all(),
            Err(error) => return error,
        }
    }
}
