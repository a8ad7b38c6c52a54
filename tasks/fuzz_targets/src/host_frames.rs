//! What a guest's init accepts from the host. What decodes must encode and decode to the same.

#![no_main]

use bencher_output_protocol::{Decoder, HostMessage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for message in decode(input) {
        let frame = message.encode().expect("what was received can be sent");
        assert_eq!(decode(&frame), [message]);
    }
});

/// The messages up to the first error.
fn decode(stream: &[u8]) -> Vec<HostMessage> {
    let mut decoder = Decoder::of_host();
    let mut messages = Vec::new();
    let mut rest = stream;
    loop {
        match decoder.next_from_host() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) if rest.is_empty() => {
                let _ = decoder.finish();
                return messages;
            }
            Ok(None) => {
                let space = decoder.space();
                let count = rest.len().min(space.len());
                space[..count].copy_from_slice(&rest[..count]);
                decoder.filled(count);
                rest = &rest[count..];
            }
            Err(_) => return messages,
        }
    }
}
