//! Users' tokens.

use axum::extract::State;
use axum::http::StatusCode;
use bencher_jobs::TokenId;
use bencher_server_api::{
    Listed, NewToken as NewTokenBody, Role as RoleBody, Token as TokenBody, TokenWithSecret,
};

use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use super::{ApiError, text};
use crate::app::App;
use crate::key::Key;
use crate::store::{Role, Token};
use crate::time::rfc3339;

impl From<RoleBody> for Role {
    fn from(role: RoleBody) -> Self {
        match role {
            RoleBody::Viewer => Self::Viewer,
            RoleBody::Submitter => Self::Submitter,
            RoleBody::Admin => Self::Admin,
        }
    }
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Submitter => Self::Submitter,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            role: token.role.into(),
            project: token.project.map(|project| project.to_string()),
            created: rfc3339(token.created),
            revoked: token.revoked.map(rfc3339),
        }
    }
}

/// Tokens.
#[utoipa::path(get, path = "/v0/tokens", tag = "access", params(PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<TokenBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<TokenBody>>, ApiError> {
    caller.must_be_admin()?;
    let page = query.page()?;
    let tokens = app.store.tokens(&page).await?;
    let id = |token: &Token| token.id.to_string();
    Ok(Json(listed(&page, tokens, id, TokenBody::from)))
}

/// Makes a token. Its secret is shown this once.
#[utoipa::path(post, path = "/v0/tokens", tag = "access", security(("token" = [])),
    request_body = NewTokenBody,
    responses((status = 201, body = TokenWithSecret), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewTokenBody>,
) -> Result<(StatusCode, Json<TokenWithSecret>), ApiError> {
    caller.must_be_admin()?;
    text::name(&body.name)?;
    let project = match &body.project {
        Some(project) => Some(caller.project(&app, project).await?.id),
        None => None,
    };
    let key = Key::user()?;
    let token = app
        .write(|mut transaction| async {
            let done = transaction
                .create_token(&body.name, &key.hash(), body.role.into(), project)
                .await;
            (transaction, done)
        })
        .await?;
    let created = TokenWithSecret {
        token: token.into(),
        secret: key.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Makes a token worthless.
#[utoipa::path(delete, path = "/v0/tokens/{token}", tag = "access", security(("token" = [])),
    params(("token" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    caller.must_be_admin()?;
    let id: TokenId = token
        .parse()
        .map_err(|_| ApiError::not_found("token", &token))?;
    app.write(|mut transaction| async {
        let done = transaction.revoke_token(id).await;
        (transaction, done)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
