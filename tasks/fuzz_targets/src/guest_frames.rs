//! What a hostile guest sends to the host.
//!
//! The first byte says how large the pieces are in which the rest arrives. What decodes must
//! encode, and decode to the same again; the order of frames must be judged without a panic; and
//! how the stream was cut must not matter.

use crate::{Outcome, is_one_harmless_line};
use bencher_output_protocol::{Conversation, Decoder, GuestMessage};

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let Some((&piece, stream)) = input.split_first() else {
        return Outcome::Refused;
    };
    let whole = decode(stream, stream.len().max(1));
    let pieces = decode(stream, usize::from(piece) + 1);
    assert_eq!(
        whole, pieces,
        "the result depends on how the stream was cut"
    );
    if whole.1 {
        Outcome::Refused
    } else {
        Outcome::Accepted
    }
}

/// The names of the messages up to the first error, and whether there was one.
fn decode(stream: &[u8], piece: usize) -> (Vec<&'static str>, bool) {
    let mut decoder = Decoder::of_guest();
    let mut conversation = Conversation::default();
    let mut names = Vec::new();
    for bytes in stream.chunks(piece) {
        decoder.space()[..bytes.len()].copy_from_slice(bytes);
        decoder.filled(bytes.len());
        loop {
            let index = decoder.frame_index();
            match decoder.next_from_guest() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    round_trip(&message);
                    names.push(message.name());
                    if let Err(error) = conversation.advance(&message, index) {
                        is_one_harmless_line(&error.to_string());
                        return (names, true);
                    }
                }
                Err(error) => {
                    is_one_harmless_line(&error.to_string());
                    return (names, true);
                }
            }
        }
    }
    let cut = decoder.finish().is_err();
    (names, cut)
}

fn round_trip(message: &GuestMessage<'_>) {
    let frame = message.encode().expect("what was received can be sent");
    let mut decoder = Decoder::of_guest();
    let mut rest = frame.as_slice();
    while !rest.is_empty() {
        let space = decoder.space();
        let count = rest.len().min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        decoder.filled(count);
        rest = &rest[count..];
    }
    let again = decoder
        .next_from_guest()
        .expect("it is valid")
        .expect("it is complete");
    assert_eq!(&again, message);
}
