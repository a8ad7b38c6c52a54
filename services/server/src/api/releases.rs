//! Programs that runners may become.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use bencher_channel_protocol::Update;
use bencher_jobs::ReleaseId;
use bencher_server_api::{Listed, NewRelease as NewReleaseBody, Release as ReleaseBody};
use semver::Version;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use crate::app::App;
use crate::releases::channel_name;
use crate::store::{Kind, NewRelease, Release};
use crate::time::rfc3339;

impl From<Release> for ReleaseBody {
    fn from(release: Release) -> Self {
        let NewRelease {
            version,
            url,
            checksum,
            kind,
        } = release.program;
        Self {
            id: release.id.to_string(),
            version,
            channel: kind.channel,
            os: kind.os,
            architecture: kind.architecture,
            url,
            checksum,
            created: rfc3339(release.created),
        }
    }
}

fn program(body: NewReleaseBody) -> Result<NewRelease, ApiError> {
    let version = Version::parse(&body.version).map_err(|error| {
        ApiError::invalid(format!(
            "`version` is no semantic version like 1.2.3: {error}"
        ))
    })?;
    let is_address = body.url.parse().is_ok_and(|url: Uri| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if !is_address {
        return Err(ApiError::invalid(
            "`url` must be an address like https://example.com/runner, without credentials",
        ));
    }
    let update = Update {
        version: version.to_string(),
        url: body.url,
        checksum: body.checksum,
    };
    // What a runner would refuse is not published.
    update
        .check()
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(NewRelease {
        version: update.version,
        url: update.url,
        checksum: update.checksum.to_string(),
        kind: Kind {
            channel: channel_name(body.channel).to_owned(),
            os: body.os.name().to_owned(),
            architecture: body.architecture.name().to_owned(),
        },
    })
}

/// Releases of the runner's program.
#[utoipa::path(get, path = "/v0/releases", tag = "fleet", params(PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<ReleaseBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<ReleaseBody>>, ApiError> {
    caller.must_be_admin()?;
    let page = query.page()?;
    let releases = app.store.releases(&page).await?;
    let id = |release: &Release| release.id.to_string();
    Ok(Json(listed(&page, releases, id, ReleaseBody::from)))
}

/// Publishes a program: idle runners of its channel, operating system and architecture are offered it
/// if they are neither this one nor a later version.
#[utoipa::path(post, path = "/v0/releases", tag = "fleet", security(("token" = [])),
    request_body = NewReleaseBody,
    responses((status = 201, body = ReleaseBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewReleaseBody>,
) -> Result<(StatusCode, Json<ReleaseBody>), ApiError> {
    caller.must_be_admin()?;
    let program = program(body)?;
    let release = app
        .write(|mut transaction| async {
            let done = transaction.create_release(&program).await;
            (transaction, done)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(release.into())))
}

/// Offers a program to no more runners. Those that have become it stay so.
#[utoipa::path(delete, path = "/v0/releases/{release}", tag = "fleet",
    security(("token" = [])),
    params(("release" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(release): Path<String>,
) -> Result<StatusCode, ApiError> {
    caller.must_be_admin()?;
    let id: ReleaseId = release
        .parse()
        .map_err(|_| ApiError::not_found("release", &release))?;
    app.write(|mut transaction| async {
        let done = transaction.remove_release(id).await;
        (transaction, done)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
