//! The channel of runners: `GET /v0/runners/{runner}/channel`, upgraded to a WebSocket.
//!
//! A key that is not the runner's, and a runner that is not there, are both answered with 401 and a
//! message, before the upgrade: a server that upgrades and hangs up leaves its users guessing.
//! Which of the two it was is not said, for that would tell strangers which runners there are. A
//! runner that is archived is answered with 403, a request that is no upgrade with 426, and an
//! address that has tried too many wrong keys with 429, for a wrong one.
//!
//! Only some connections are opened at a time: when a whole fleet comes at once, as after the server's
//! start, those who are in get their jobs before others come in.

mod handed;
mod session;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bencher_channel_protocol::{CONNECTION_HEADER, ConnectionNumber};

use crate::api::{ApiError, bearer, wrong_key};
use crate::app::App;
use crate::key;
use crate::store::{Runner, StoreError};
use session::Session;

/// Bytes that are read from a connection at once: there are many, and most of them are idle.
const READ_BUFFER: usize = 4096;
/// How many characters of a name that is no runner's are logged: as many as a runner's may have.
const LOGGED_NAME: usize = 64;

pub(crate) async fn open(
    State(app): State<App>,
    Path(name): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    // The semaphore is never closed.
    let opening = Arc::clone(&app.opening).acquire_owned().await.ok();
    let runner = match admit(&app, &name, peer, &headers).await {
        Ok(runner) => runner,
        Err(error) => return error.into_response(),
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let message = format!("this is a WebSocket: {rejection}");
            let status = StatusCode::UPGRADE_REQUIRED;
            return ApiError::new(status, "upgrade_required", message).into_response();
        }
    };
    let number = connection_number(&headers);
    upgrade
        .max_message_size(app.settings.message)
        .max_frame_size(app.settings.message)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            let id = runner.id;
            let session = Session::open(app, runner, number, socket).await;
            drop(opening);
            match session {
                Ok(Some(session)) => session.run().await,
                Ok(None) => {
                    tracing::info!(runner = %id, "a newer connection was faster, or its key was rotated");
                }
                Err(error) => tracing::error!(runner = %id, %error, "a channel was not opened"),
            }
        })
}

/// Which of its connections the runner says that this is. Many runners say nothing, and what makes no sense
/// says nothing either.
fn connection_number(headers: &HeaderMap) -> Option<ConnectionNumber> {
    headers.get(CONNECTION_HEADER)?.to_str().ok()?.parse().ok()
}

/// The runner whose key this is.
async fn admit(
    app: &App,
    name: &str,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<Runner, ApiError> {
    // A good key is taken whatever others at its address have tried: a proxy's is everybody's.
    let refused = || {
        let error = wrong_key(
            app,
            Some(peer.ip()),
            "this is not the key of this runner, or there is no such runner: check both, or rotate \
             the key",
        );
        // Those beyond what an address may try are only counted: a log is not to be filled by strangers.
        if error.status() == StatusCode::UNAUTHORIZED {
            let name: String = name.chars().take(LOGGED_NAME).collect();
            tracing::warn!(
                runner = %name.escape_debug(), %peer,
                "a runner was refused: its key is wrong or missing, or there is no such runner"
            );
        }
        error
    };
    let key = bearer(headers).ok_or_else(refused)?;
    let runner = match app.store.runner(name).await {
        Ok(runner) => runner,
        Err(StoreError::NotFound { .. }) => return Err(refused()),
        Err(error) => return Err(error.into()),
    };
    if runner.key_hash != key::hash(key) {
        return Err(refused());
    }
    if runner.archived.is_some() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "archived",
            "this runner is archived: it gets no more jobs".to_owned(),
        ));
    }
    Ok(runner)
}
