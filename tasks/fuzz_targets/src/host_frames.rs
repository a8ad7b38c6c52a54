//! What a guest's init accepts from the host. What decodes must encode and decode to the same.

use crate::Outcome;
use bencher_output_protocol::{Decoder, HostMessage};

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let (messages, outcome) = decode(input);
    for message in messages {
        let frame = message.encode().expect("what was received can be sent");
        assert_eq!(decode(&frame).0, [message]);
    }
    outcome
}

/// The messages up to the first error, and whether there was none.
fn decode(stream: &[u8]) -> (Vec<HostMessage>, Outcome) {
    let mut decoder = Decoder::of_host();
    let mut messages = Vec::new();
    let mut rest = stream;
    loop {
        match decoder.next_from_host() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) if rest.is_empty() => {
                let outcome = match decoder.finish() {
                    Ok(()) => Outcome::Accepted,
                    Err(_) => Outcome::Refused,
                };
                return (messages, outcome);
            }
            Ok(None) => {
                let space = decoder.space();
                let count = rest.len().min(space.len());
                space[..count].copy_from_slice(&rest[..count]);
                decoder.filled(count);
                rest = &rest[count..];
            }
            Err(_) => return (messages, Outcome::Refused),
        }
    }
}
