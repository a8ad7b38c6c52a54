//! A job's events, as server-sent events name them.

use serde::{Deserialize, Serialize};

/// The name of events that hold a [`Standing`].
pub const STATE_EVENT: &str = "state";
/// The name of events that hold a [`LiveOutput`](bencher_channel_protocol::LiveOutput).
pub const OUTPUT_EVENT: &str = "output";

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// As in [`crate::Job`].
    pub state: String,
    /// As in [`crate::Job`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
