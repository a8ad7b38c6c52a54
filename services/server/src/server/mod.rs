//! A server from its start to its end.

mod error;
mod place;

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub use error::ServerError;
pub use place::Place;
use place::lock;

use crate::app::App;
use crate::bus::Bus;
use crate::counted::Counted;
use crate::dispatch::Dispatcher;
use crate::first::{First, FirstError};
use crate::key::Key;
use crate::limiter::Limiter;
use crate::live::{Live, Relay};
use crate::metrics::Metrics;
use crate::observer::Witness;
use crate::outputs::{Outputs, sweep};
use crate::registry::{Minter, PullTokens};
use crate::room::Room;
use crate::seal::{SealError, Sealer};
use crate::settings::Settings;
use crate::store::{Dialect, Role, SEAL, Store, StoreError};
use crate::telemetry::JobSpans;
use crate::watchers::Watchers;
use crate::{
    api, deletion, first, folder, listen, processor, serve, service, telemetry, variables,
};

/// The file of the data folder with the key of what is kept encrypted.
pub(crate) const SECRETS: &str = "secrets.key";
/// How old the numbers of jobs may be that `/metrics` shows.
const COUNTED: Duration = Duration::from_secs(5);
/// Channels of runners that are opened at a time.
const OPENING: usize = 64;
/// How long connections may take to end once the server is to end.
const ENDING: Duration = Duration::from_secs(10);

/// How long the last spans may take to be sent.
const EXPORTING: Duration = Duration::from_secs(5);

/// The registry that trusts this server.
#[derive(Debug, Clone)]
pub struct Fronted {
    /// Its address, as jobs name it.
    pub registry: String,
    /// What its configuration calls this server.
    pub issuer: String,
    /// What its configuration calls itself.
    pub service: String,
}

/// A server that is ready to serve.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    dispatcher: JoinHandle<()>,
    /// Sends what is left of spans.
    exports: Option<JoinHandle<()>>,
    end: watch::Sender<bool>,
    /// Held while the server lives.
    _lock: Option<File>,
}

impl Server {
    /// Opens everything and listens on `address`.
    ///
    /// # Errors
    ///
    /// When something can not be used.
    pub async fn start(
        place: &Place,
        address: &str,
        fronted: Option<&Fronted>,
        settings: Settings,
    ) -> Result<Self, ServerError> {
        service::say_opening();
        folder::prepare(&place.folder)?;
        let lock = match place.database {
            None => Some(lock(&place.folder)?),
            Some(_) => None,
        };
        let metrics = Arc::new(Metrics::default());
        let store = place.open_store().await?;
        let secrets = place.folder.join(SECRETS);
        let sealer = Sealer::open(&secrets)?;
        check_key(&store, &sealer, &secrets).await?;
        let sealer = Arc::new(sealer);
        let fronted = match fronted {
            Some(fronted) => Some((
                fronted.registry.clone(),
                Minter::open(&place.folder, &fronted.issuer, &fronted.service)?,
            )),
            None => None,
        };
        let outputs = Outputs::open(&place.outputs()).await?;
        let outputs = outputs.observed(Arc::clone(&metrics));
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| ServerError::Listen {
                address: address.to_owned(),
                cause,
            })?;
        let local = listener.local_addr().map_err(ServerError::Serve)?;
        let (end, shutdown) = watch::channel(false);
        let settings = Arc::new(settings);
        let bus = Arc::new(Bus::default());
        let (exporter, exports) = match &settings.otlp_endpoint {
            Some(endpoint) => {
                let (exporter, task) = telemetry::start(endpoint, Arc::clone(&metrics));
                (Some(exporter), Some(task))
            }
            None => (None, None),
        };
        let spans = exporter
            .clone()
            .map(|exporter| JobSpans::start(store.unobserved(), exporter));
        let store = store.observed(Arc::new(Witness::new(&bus, &metrics, spans)));
        let (dispatcher, task) = Dispatcher::start(
            store.clone(),
            Arc::clone(&bus),
            Arc::clone(&settings),
            Arc::clone(&metrics),
        );
        let relay = match store.dialect() {
            Dialect::Postgres => Some(Relay::start(&place.url()).map_err(StoreError::Open)?),
            Dialect::Sqlite => None,
        };
        let live = Arc::new(Live::new(relay));
        tokio::spawn(Arc::clone(&live).keep_small());
        if store.dialect() == Dialect::Postgres {
            tokio::spawn(listen::run(
                place.url(),
                Arc::clone(&bus),
                Arc::clone(&live),
                Arc::clone(&metrics),
                shutdown.clone(),
            ));
        }
        let app = App {
            store,
            outputs,
            tokens: Arc::new(PullTokens::new(
                Arc::clone(&sealer),
                fronted,
                settings.exchange(),
            )),
            sealer,
            bus,
            live,
            dispatcher,
            limiter: Arc::new(Limiter::new(settings.requests, settings.refusals)),
            metrics,
            watchers: Arc::new(Watchers::new(settings.watchers)),
            room: Arc::new(Room::new(settings.message)),
            counted: Arc::new(Counted::new(COUNTED)),
            readiness: Arc::default(),
            opening: Arc::new(Semaphore::new(OPENING)),
            settings,
            exporter,
            shutdown,
        };
        work(&app);
        Ok(Self {
            app,
            listener,
            address: local,
            dispatcher: task,
            exports,
            end,
            _lock: lock,
        })
    }

    /// One that has all that it keeps in `folder`, for tests of its parts.
    #[cfg(test)]
    pub(crate) async fn in_folder(folder: &Path) -> Self {
        let place = Place {
            folder: folder.to_owned(),
            database: None,
            outputs: None,
        };
        let started = Self::start(&place, "127.0.0.1:0", None, Settings::default()).await;
        started.expect("a server")
    }

    /// Its parts.
    #[cfg(test)]
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An administrator's token, if there never was any token. It is kept nowhere.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn first_token(&self) -> Result<Option<Key>, ServerError> {
        if self.app.store.has_tokens().await? {
            return Ok(None);
        }
        let key = Key::user()?;
        self.create_first_token(&key).await?;
        Ok(Some(key))
    }

    /// The same, but the token goes into `file`, which only its owner may read. Returns whether it did.
    ///
    /// # Errors
    ///
    /// When the file can not be written, or the database fails.
    pub async fn first_token_in(&self, file: &Path) -> Result<bool, FirstError> {
        if self.app.store.has_tokens().await? {
            return Ok(false);
        }
        let key = Key::user()?;
        // Before it is worth anything: one that is kept nowhere would be lost.
        first::keep(file, &key)?;
        self.create_first_token(&key).await?;
        Ok(true)
    }

    async fn create_first_token(&self, key: &Key) -> Result<(), StoreError> {
        self.app
            .write(|mut transaction| async {
                let done = transaction
                    .create_token("first", &key.hash(), Role::Admin, None)
                    .await;
                (transaction, done)
            })
            .await
            .map(drop)
    }

    /// What a first job needs, with a runner of this name, if there never was any token: secrets go
    /// into files of `folder`.
    ///
    /// # Errors
    ///
    /// When the name is no slug, or something can not be written.
    pub async fn first_steps(
        &self,
        folder: &Path,
        runner: &str,
    ) -> Result<Option<First>, FirstError> {
        first::make(&self.app.store, folder, runner).await
    }

    /// Serves until `stop` is done; then connections end in an orderly way.
    ///
    /// # Errors
    ///
    /// When it can not go on.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let Self {
            app,
            listener,
            address,
            dispatcher,
            exports,
            end,
            _lock,
        } = self;
        // It holds up nobody who is told of what ends.
        let store = app.store.unobserved();
        let patience = app.settings.client;
        let shutdown = app.shutdown.clone();
        tokio::spawn(service::run(app.clone()));
        let serving = serve::run(listener, api::router(app), patience, shutdown);
        service::say_ready(address);
        let stopping = async move {
            stop.await;
            service::say_stopping();
            // All connections hear of it.
            let _count = end.send(true);
            tokio::time::sleep(ENDING).await;
        };
        tokio::select! {
            () = serving => {}
            () = stopping => tracing::warn!("connections were cut: they did not end in time"),
        }
        // It ends when the last connection has ended, for then nobody can ask it any more.
        if tokio::time::timeout(ENDING, dispatcher).await.is_err() {
            tracing::warn!("runners were cut off: they did not hang up in time");
        }
        if let Some(exports) = exports
            && tokio::time::timeout(EXPORTING, exports).await.is_err()
        {
            tracing::warn!("some traces were not sent: the collector took too long");
        }
        store.close().await;
        Ok(())
    }
}

/// Begins what a server does unasked.
fn work(app: &App) {
    tokio::spawn(processor::run(app.clone()));
    tokio::spawn(sweep::run(app.clone()));
    tokio::spawn(deletion::run(app.clone()));
    tokio::spawn(variables::run(app.clone()));
}

/// Makes sure that `sealer` has the key that secrets in the database were sealed with. The first server
/// of a database seals something, so that all others can tell.
async fn check_key(store: &Store, sealer: &Sealer, path: &Path) -> Result<(), ServerError> {
    let check = async || match store.sealed().await? {
        Some(found) if sealer.unseal(&found.name, &found.sealed).is_err() => {
            Err(ServerError::from(SealError::OtherKey(path.to_owned())))
        }
        _ => Ok(()),
    };
    // Before anything is sealed: credentials may be from before.
    check().await?;
    let proof = sealer.seal(SEAL, SEAL)?;
    store
        .write(|mut transaction| async {
            let done = transaction.keep_seal(&proof).await;
            (transaction, done)
        })
        .await?;
    // Another server may have been faster.
    check().await
}
