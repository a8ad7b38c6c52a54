//! From an image's configuration and the user's wishes to what is to run: pure functions that
//! follow Docker's rules.

mod command;
mod environment;
mod stop_signal;
mod user;
mod working_dir;

pub use command::{CommandError, CommandOverrides, resolve_command};
pub use environment::{DEFAULT_PATH, EnvironmentError, merge_environment};
pub use stop_signal::{StopSignal, StopSignalError};
pub use user::{Principal, UserSpec, UserSpecError};
pub use working_dir::{WorkingDirError, resolve_working_dir};
