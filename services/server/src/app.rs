//! What all requests and connections of a server share.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::bus::Bus;
use crate::counted::Counted;
use crate::dispatch::Dispatcher;
use crate::limiter::Limiter;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::outputs::Outputs;
use crate::readiness::Readiness;
use crate::registry::PullTokens;
use crate::room::Room;
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::store::{Store, StoreError, Transaction};
use crate::telemetry::Exporter;
use crate::watchers::Watchers;

/// The parts of a server.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// The database.
    pub store: Store,
    /// Results.
    pub outputs: Outputs,
    /// What encrypts secrets.
    pub sealer: Arc<Sealer>,
    /// What images are pulled with.
    pub tokens: Arc<PullTokens>,
    /// Who is told of what.
    pub bus: Arc<Bus>,
    /// What commands write while they run.
    pub live: Arc<Live>,
    /// What runners do is written here.
    pub dispatcher: Dispatcher,
    /// Limits.
    pub settings: Arc<Settings>,
    /// How often who may ask.
    pub limiter: Arc<Limiter>,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Numbers of the whole database.
    pub counted: Arc<Counted>,
    /// Whether its database and the storage answer.
    pub readiness: Arc<Readiness>,
    /// Room for channels that are being opened.
    pub opening: Arc<Semaphore>,
    /// Room for those who watch jobs.
    pub watchers: Arc<Watchers>,
    /// Room for results that are read.
    pub room: Arc<Room>,
    /// Where spans of requests go.
    pub exporter: Option<Exporter>,
    /// Becomes true when the server is to end.
    pub shutdown: watch::Receiver<bool>,
}

impl App {
    /// Makes a change as [`Store::write`] does.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub(crate) async fn write<T, F>(
        &self,
        change: impl Fn(Transaction) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = (Transaction, Result<T, StoreError>)>,
    {
        let (value, _told) = self.store.write(change).await?;
        Ok(value)
    }
}

/// Until the server is to end.
pub(crate) async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An end that nobody can announce any more is one too.
    let _over = shutdown.wait_for(|is_over| *is_over).await;
}
