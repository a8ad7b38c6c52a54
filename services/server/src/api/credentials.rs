//! Credentials of registries: they can be set and removed, and are never shown.

#![expect(unused_qualifications, reason = "what the macro for parameters writes")]

use axum::extract::State;
use axum::http::StatusCode;
use bencher_server_api::{Credential as CredentialBody, NewCredential as NewCredentialBody};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Query};
use crate::app::App;
use crate::registry::{Credential, normalized};

/// The longest secret: what a runner takes.
const MAX_SECRET: usize = bencher_channel_protocol::MAX_TOKEN_BYTES;

fn credential(body: NewCredentialBody) -> Result<Credential, ApiError> {
    let is_long = |text: &str| text.is_empty() || text.len() > MAX_SECRET;
    match (body.token, body.user, body.password) {
        (Some(token), None, None) => {
            let is_token = |byte: u8| byte.is_ascii_graphic();
            if is_long(&token) || !token.bytes().all(is_token) {
                return Err(ApiError::invalid(
                    "`token` must be 1 to 65536 printable ASCII characters without spaces",
                ));
            }
            Ok(Credential::Token(token))
        }
        (None, Some(user), Some(password)) => {
            let is_text = |text: &str| !is_long(text) && !text.contains(char::is_control);
            if !is_text(&user) || !is_text(&password) || user.contains(':') {
                return Err(ApiError::invalid(
                    "`user` and `password` must be 1 to 65536 bytes without control \
                     characters, and `user` has no colon",
                ));
            }
            Ok(Credential::Password { user, password })
        }
        _ => Err(ApiError::invalid(
            "a credential is either `token`, or `user` and `password`",
        )),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RegistryQuery {
    /// The registry's address.
    registry: String,
}

/// The registries that a credential is kept for.
#[utoipa::path(get, path = "/v0/credentials", tag = "access", security(("token" = [])),
    responses((status = 200, body = Vec<CredentialBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Vec<CredentialBody>>, ApiError> {
    caller.must_be_admin()?;
    let registries = app.store.credentials().await?;
    let bodies = registries
        .into_iter()
        .map(|registry| CredentialBody { registry })
        .collect();
    Ok(Json(bodies))
}

/// Keeps a credential, encrypted, instead of the one that was there.
#[utoipa::path(put, path = "/v0/credentials", tag = "access", security(("token" = [])),
    request_body = NewCredentialBody,
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewCredentialBody>,
) -> Result<StatusCode, ApiError> {
    caller.must_be_admin()?;
    super::submit::registry(&body.registry)?;
    let registry = body.registry.clone();
    let sealed = app.tokens.seal(&registry, &credential(body)?)?;
    let registry = normalized(&registry);
    app.write(|mut transaction| async {
        let done = transaction.set_credential(&registry, &sealed).await;
        (transaction, done)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a credential.
#[utoipa::path(delete, path = "/v0/credentials", tag = "access", params(RegistryQuery),
    security(("token" = [])),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<RegistryQuery>,
) -> Result<StatusCode, ApiError> {
    caller.must_be_admin()?;
    let registry = normalized(&query.registry);
    app.write(|mut transaction| async {
        let done = transaction.remove_credential(&registry).await;
        (transaction, done)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
