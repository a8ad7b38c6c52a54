//! What runner and server say to each other: errors of one harmless line, and what decodes encodes
//! and decodes to the same, cut or not. Of the header beside them: what is read is what is written.

use std::fmt::Display;

use bencher_channel_protocol::{ConnectionNumber, RunnerMessage, ServerMessage};

use crate::{Outcome, is_one_harmless_line};

/// The length that terminal messages are cut to: small, so that inputs reach each way of cutting.
const LIMIT: usize = 1_000;

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else {
        return Outcome::Refused;
    };
    let mut outcome = Outcome::Refused;
    if let Some(message) = judge(ServerMessage::decode(text)) {
        assert_eq!(ServerMessage::decode(&message.encode()), Ok(message));
        outcome = Outcome::Accepted;
    }
    if let Some(message) = judge(RunnerMessage::decode(text)) {
        assert_eq!(
            RunnerMessage::decode(&message.encode()),
            Ok(message.clone())
        );
        if let Ok(terminal) = message.into_terminal() {
            let job = terminal.job();
            let encoded = terminal.encode_within(LIMIT).expect("a job's name fits");
            assert!(encoded.text.len() <= LIMIT);
            let arrived = RunnerMessage::decode(&encoded.text).expect("it is a message");
            assert_eq!(arrived.into_terminal().map(|it| it.job()), Ok(job));
        }
        outcome = Outcome::Accepted;
    }
    if let Some(number) = judge(text.parse::<ConnectionNumber>()) {
        assert_eq!(number.to_string(), text);
        outcome = Outcome::Accepted;
    }
    outcome
}

fn judge<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result
        .map_err(|error| is_one_harmless_line(&error.to_string()))
        .ok()
}
