//! What one side says is what the other understands, however the stream is cut.

use bencher_output_protocol::{
    Decoder, GuestMessage, HEADER_LENGTH, HostMessage, MAX_DATA, ProtocolError, data_header,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::samples::{asked, said};

/// Gives `stream` to a decoder in pieces of these sizes, in turn.
pub(crate) fn feed(
    decoder: &mut Decoder,
    stream: &[u8],
    pieces: &[usize],
    mut each: impl FnMut(&mut Decoder) -> Result<bool, ProtocolError>,
) -> Result<(), ProtocolError> {
    let mut rest = stream;
    let mut sizes = pieces.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let space = decoder.space();
        let count = size.min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        decoder.filled(count);
        rest = &rest[count..];
        while each(decoder)? {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_guest_is_understood(
        said in vec(said(), 0..12),
        pieces in vec(1_usize..70_000, 1..5),
    ) {
        let mut stream = Vec::new();
        for said in &said {
            stream.extend(said.message().encode().unwrap());
        }
        let mut decoder = Decoder::of_guest();
        let mut understood = 0;
        feed(&mut decoder, &stream, &pieces, |decoder| {
            Ok(match decoder.next_from_guest()? {
                Some(message) => {
                    assert_eq!(message, said[understood].message());
                    understood += 1;
                    assert_eq!(decoder.frame_index(), understood as u64 - 1);
                    true
                }
                None => false,
            })
        })?;
        prop_assert_eq!(understood, said.len());
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_host_is_understood(
        asked in vec(asked(), 0..12),
        pieces in vec(1_usize..300, 1..5),
    ) {
        let mut stream = Vec::new();
        for asked in &asked {
            stream.extend(asked.encode().unwrap());
        }
        let mut decoder = Decoder::of_host();
        let mut understood = Vec::new();
        feed(&mut decoder, &stream, &pieces, |decoder| {
            let message = decoder.next_from_host()?;
            let is_one = message.is_some();
            understood.extend(message);
            Ok(is_one)
        })?;
        prop_assert_eq!(understood, asked);
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_header_beside_its_payload_is_the_same_frame(bytes in vec(any::<u8>(), 0..300)) {
        for (kind, message) in [
            (GuestMessage::STDOUT, GuestMessage::Stdout(&bytes)),
            (GuestMessage::STDERR, GuestMessage::Stderr(&bytes)),
            (GuestMessage::FILE_DATA, GuestMessage::FileData(&bytes)),
        ] {
            let frame = [&data_header(kind, bytes.len())[..], &bytes].concat();
            prop_assert_eq!(frame, message.encode().unwrap());
        }
    }
}

#[test]
fn what_one_frame_can_not_carry_is_not_sent() {
    let largest = vec![0; MAX_DATA];
    let frame = GuestMessage::Stdout(&largest).encode().unwrap();
    assert_eq!(frame.len(), HEADER_LENGTH + MAX_DATA);
    let too_large = vec![0; MAX_DATA + 1];
    for (message, name) in [
        (GuestMessage::Stdout(&too_large), "stdout"),
        (GuestMessage::Stderr(&too_large), "stderr"),
        (GuestMessage::FileData(&too_large), "file data"),
        (
            GuestMessage::FileMissing {
                path: &too_large,
                reason: "",
            },
            "file missing",
        ),
    ] {
        let error = message.encode().unwrap_err();
        let ProtocolError::Unsendable { name: named, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*named, name);
    }
}

#[test]
#[should_panic(expected = "a data frame of 65537 bytes")]
fn a_header_for_too_much_is_a_bug_of_the_sender() {
    data_header(GuestMessage::STDOUT, MAX_DATA + 1);
}

#[test]
fn every_message_has_its_own_name() {
    let mut names = vec![
        GuestMessage::Done.name(),
        GuestMessage::FileEnd.name(),
        GuestMessage::Stdout(b"").name(),
        GuestMessage::Stderr(b"").name(),
        GuestMessage::FileData(b"").name(),
    ];
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 5);
    assert_eq!(HostMessage::Hello.name(), "hello");
}
