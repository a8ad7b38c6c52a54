//! What the server's REST API and its clients say to each other, as far as both are written here:
//! jobs and their events. Everything else is in the server's OpenAPI document.

mod error;
mod event;
mod job;
mod measured;
mod new;
mod page;
mod summary;
mod waiting;

pub use error::{Error, ErrorDetail};
pub use event::{OUTPUT_EVENT, STATE_EVENT, Standing};
pub use job::{Job, Side};
pub use measured::{Measured, MeasuredMachine, MeasuredMetric, Suspicion};
pub use new::{Config, NewJob};
pub use page::Listed;
pub use summary::{File, Iteration};
pub use waiting::Waiting;
