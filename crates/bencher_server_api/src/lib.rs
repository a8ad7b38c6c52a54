//! What the server's REST API and its clients say to each other. How it is said is in the server's OpenAPI
//! document.

mod comparison;
mod credential;
mod doubts;
mod error;
mod event;
mod job;
mod machine;
mod measured;
mod new;
mod page;
mod project;
mod release;
mod runner;
mod spec;
mod summary;
mod token;
mod waiting;

pub use comparison::{Comparison, ComparisonSide, NewComparison, Submitted};
pub use credential::{Credential, NewCredential};
pub use doubts::{CLEAR, Doubts};
pub use error::{Error, ErrorDetail};
pub use event::{OUTPUT_EVENT, STATE_EVENT, Standing};
pub use job::{Job, Side};
pub use measured::{Measured, MeasuredMachine, MeasuredMetric, MeasuredTuning, Suspicion};
pub use new::{Config, NewJob};
pub use page::Listed;
pub use project::{NewProject, Project, Quota};
pub use release::{NewRelease, Release};
pub use runner::{NewRunner, Runner, RunnerWithKey};
pub use spec::{NewSpec, Spec};
pub use summary::{File, Iteration};
pub use token::{NewToken, Role, Token, TokenWithSecret};
pub use waiting::Waiting;
