//! Jobs are deleted.

use axum::extract::State;
use axum::http::StatusCode;
use bencher_jobs::ComparisonId;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::Path;
use super::jobs::find;
use crate::app::App;
use crate::beside::to_the_end;
use crate::deletion::{Left, finish};
use crate::store::{Filter, Page, Role};

/// What tells how much is done.
fn status(left: Left) -> StatusCode {
    match left {
        Left::Nothing => StatusCode::NO_CONTENT,
        Left::Outputs => StatusCode::ACCEPTED,
    }
}

/// Deletes a job that has ended, with its results. One of a comparison is deleted with all of that.
///
/// 202: the job is gone, but the storage of outputs does not answer, or takes long; what is there is removed
/// later.
#[utoipa::path(delete, path = "/v0/jobs/{job}", tag = "jobs", security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier")),
    responses((status = 204, description = "It is gone, and so are its results"),
        (status = 202, description = "It is gone; its results in the storage are removed later"),
        (status = 409, body = ErrorBody, description = "It has not ended, or is one of a comparison"),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn job(
    State(app): State<App>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<StatusCode, ApiError> {
    delete_job(&app, &caller, &job).await
}

/// Does it, and tells how much is done: [`StatusCode::ACCEPTED`] if outputs are left.
pub(crate) async fn delete_job(
    app: &App,
    caller: &Caller,
    job: &str,
) -> Result<StatusCode, ApiError> {
    caller.must_be(Role::Submitter)?;
    let found = find(app, caller, job).await?;
    let (app, job) = (app.clone(), found.id);
    to_the_end(async move {
        app.write(|mut transaction| async {
            let done = transaction.delete_job(job).await;
            (transaction, done)
        })
        .await?;
        Ok(status(finish(&app, &[job]).await))
    })
    .await
}

/// The comparison, if whoever asks may see it.
async fn find_comparison(app: &App, caller: &Caller, id: &str) -> Result<ComparisonId, ApiError> {
    let unknown = || ApiError::not_found("comparison", id);
    let comparison: ComparisonId = id.parse().map_err(|_| unknown())?;
    let filter = Filter {
        project: caller.token().project,
        comparison: Some(comparison),
        ..Filter::default()
    };
    let page = Page {
        limit: 1,
        after: None,
    };
    // All of its jobs are of one project.
    if app.store.jobs(&filter, &page).await?.is_empty() {
        return Err(unknown());
    }
    Ok(comparison)
}

/// Deletes a comparison all of whose jobs have ended: these jobs, with their results.
///
/// 202: they are gone, but the storage of outputs does not answer, or takes long; what is there is removed later.
#[utoipa::path(delete, path = "/v0/comparisons/{comparison}", tag = "jobs",
    security(("token" = [])),
    params(("comparison" = String, Path, description = "Its identifier")),
    responses((status = 204, description = "Its jobs are gone, and so are their results"),
        (status = 202, description = "Its jobs are gone; results in the storage are removed later"),
        (status = 409, body = ErrorBody, description = "Not all of its jobs have ended"),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn comparison(
    State(app): State<App>,
    caller: Caller,
    Path(comparison): Path<String>,
) -> Result<StatusCode, ApiError> {
    delete_comparison(&app, &caller, &comparison).await
}

/// Does it, and tells how much is done: [`StatusCode::ACCEPTED`] if outputs are left.
pub(crate) async fn delete_comparison(
    app: &App,
    caller: &Caller,
    comparison: &str,
) -> Result<StatusCode, ApiError> {
    caller.must_be(Role::Submitter)?;
    let found = find_comparison(app, caller, comparison).await?;
    let app = app.clone();
    to_the_end(async move {
        let deleting = app.write(|mut transaction| async {
            let done = transaction.delete_comparison(found).await;
            (transaction, done)
        });
        let jobs = deleting.await?;
        Ok(status(finish(&app, &jobs).await))
    })
    .await
}
