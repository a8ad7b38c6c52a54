//! From the text of a frame and to it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{DecodeError, Excerpt};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

/// The event of a message. The rest is only looked at so far as to know that it is JSON.
pub(crate) fn event(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    // An array would pass for a struct.
    if !text.trim_start().starts_with('{') {
        return Err(DecodeError::NoEvent {
            reason: Excerpt::new(text),
        });
    }
    serde_json::from_str::<Envelope<'_>>(text)
        .map(|envelope| envelope.event)
        .map_err(|error| DecodeError::NoEvent {
            reason: Excerpt::new(&error.to_string()),
        })
}

/// The fields beside the event.
pub(crate) fn payload<T: DeserializeOwned>(
    event: &'static str,
    text: &str,
) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| DecodeError::Malformed {
        event,
        reason: Excerpt::new(&error.to_string()),
    })
}

pub(crate) fn encode<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("a message has no map whose keys are not texts")
}
