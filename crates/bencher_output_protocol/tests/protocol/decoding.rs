//! Streams that are cut short, damaged or hostile.

use bencher_output_protocol::{
    Decoder, GuestMessage, HEADER_LENGTH, HostMessage, MAX_GUEST_PAYLOAD, MAX_HOST_PAYLOAD,
    PROTOCOL_VERSION, ProtocolError,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::round_trip::feed;
use crate::samples::{asked, said};

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..], &[kind], payload].concat()
}

/// What a guest's stream is understood as: how many messages, and how it ends.
fn from_guest(stream: &[u8]) -> (u64, Result<(), ProtocolError>) {
    let mut decoder = Decoder::of_guest();
    let mut count = 0;
    let result = feed(&mut decoder, stream, &[usize::MAX], |decoder| {
        let is_one = decoder.next_from_guest()?.is_some();
        count += u64::from(is_one);
        Ok(is_one)
    });
    (count, result.and_then(|()| decoder.finish()))
}

fn from_host(stream: &[u8]) -> Result<(), ProtocolError> {
    let mut decoder = Decoder::of_host();
    feed(&mut decoder, stream, &[usize::MAX], |decoder| {
        Ok(decoder.next_from_host()?.is_some())
    })?;
    decoder.finish()
}

proptest! {
    // Each case is hundreds of streams, one for each place to cut at.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_stream_that_ends_early_ends_in_the_frame_that_it_ends_in(
        said in vec(said(), 1..4),
    ) {
        let frames: Vec<_> = said.iter().map(|said| said.message().encode().unwrap()).collect();
        let stream = frames.concat();
        // Every cut of short streams; of long ones those near the frames' ends.
        let mut start = 0;
        for (index, frame) in (0_u64..).zip(&frames) {
            let near = |got: &usize| *got < 64 || *got + 64 > frame.len();
            for got in (0..frame.len()).filter(near) {
                let (count, result) = from_guest(&stream[..start + got]);
                prop_assert_eq!(count, index);
                let expected = match got {
                    0 => Ok(()),
                    got => Err(ProtocolError::Truncated { index, got }),
                };
                prop_assert_eq!(result, expected);
            }
            start += frame.len();
        }
    }

    #[test]
    fn a_document_that_is_cut_short_or_has_a_tail_is_malformed(
        said in said(), asked in asked(), tail in vec(any::<u8>(), 1..9),
    ) {
        let whole = said.message().encode().unwrap();
        let (kind, payload) = (whole[4], &whole[HEADER_LENGTH..]);
        let is_data = [GuestMessage::STDOUT, GuestMessage::STDERR, GuestMessage::FILE_DATA];
        if !is_data.contains(&kind) {
            for length in 0..payload.len() {
                let (_, result) = from_guest(&frame(kind, &payload[..length]));
                prop_assert!(matches!(result, Err(ProtocolError::Malformed { index: 0, .. })), "{result:?}");
            }
            let (_, result) = from_guest(&frame(kind, &[payload, &tail].concat()));
            prop_assert!(matches!(result, Err(ProtocolError::Malformed { .. })), "{result:?}");
        }
        let whole = asked.encode().unwrap();
        let (kind, payload) = (whole[4], &whole[HEADER_LENGTH..]);
        for length in 0..payload.len() {
            let result = from_host(&frame(kind, &payload[..length]));
            prop_assert!(matches!(result, Err(ProtocolError::Malformed { .. })), "{result:?}");
        }
        let result = from_host(&frame(kind, &[payload, &tail].concat()));
        prop_assert!(matches!(result, Err(ProtocolError::Malformed { .. })), "{result:?}");
    }
}

proptest! {
    #[test]
    fn damage_is_survived(
        said in vec(said(), 1..6),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut stream: Vec<_> = said.iter().flat_map(|said| said.message().encode().unwrap()).collect();
        for (place, byte) in damage {
            let place = place.index(stream.len());
            stream[place] = byte;
        }
        let _ = from_guest(&stream);
        let _ = from_host(&stream);
    }

    #[test]
    fn noise_is_survived(stream in vec(any::<u8>(), 0..400)) {
        let _ = from_guest(&stream);
        let _ = from_host(&stream);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_payload_comes(
        over in 1..=u32::MAX - MAX_HOST_PAYLOAD, kind in any::<u8>(),
    ) {
        let length = MAX_GUEST_PAYLOAD + over;
        let header = [&length.to_le_bytes()[..], &[kind]].concat();
        let (_, result) = from_guest(&header);
        prop_assert_eq!(result, Err(ProtocolError::TooLong {
            index: 0, kind, length, limit: MAX_GUEST_PAYLOAD,
        }));
        let length = MAX_HOST_PAYLOAD + over;
        let header = [&length.to_le_bytes()[..], &[kind]].concat();
        prop_assert_eq!(from_host(&header), Err(ProtocolError::TooLong {
            index: 0, kind, length, limit: MAX_HOST_PAYLOAD,
        }));
    }
}

#[test]
fn kinds_of_the_other_direction_and_of_none_are_unknown() {
    for kind in 0..=u8::MAX {
        let (_, result) = from_guest(&frame(kind, b""));
        let is_known = (1..=12).contains(&kind);
        assert_eq!(
            result == Err(ProtocolError::UnknownKind { index: 0, kind }),
            !is_known,
            "{kind}"
        );
        let is_known = (129..=131).contains(&kind);
        assert_eq!(
            from_host(&frame(kind, b"")) == Err(ProtocolError::UnknownKind { index: 0, kind }),
            !is_known,
            "{kind}"
        );
    }
}

#[test]
fn an_error_names_the_frame_that_it_is_in() {
    let mut stream = Vec::new();
    for _ in 0..7 {
        stream.extend(GuestMessage::Stdout(b"x").encode().unwrap());
    }
    stream.extend(frame(99, b"?"));
    let (count, result) = from_guest(&stream);
    assert_eq!(count, 7);
    assert_eq!(
        result.unwrap_err().to_string(),
        "frame 7 has the unknown kind 99"
    );
}

#[test]
fn another_version_is_recognised_whatever_follows_it() {
    let theirs = PROTOCOL_VERSION + 41;
    let mut payload = b"BRUN".to_vec();
    payload.extend(theirs.to_le_bytes());
    payload.extend(b"a layout that this version does not know");
    let expected = Err(ProtocolError::Version {
        ours: PROTOCOL_VERSION,
        theirs,
    });
    assert_eq!(from_guest(&frame(1, &payload)).1, expected);
    assert_eq!(from_host(&frame(129, &payload)), expected);
}

#[test]
fn a_hello_needs_its_magic() {
    for payload in [&b""[..], b"BRU", b"brun\x01\x00", b"GET / HTTP/1.1\r\n"] {
        let (_, result) = from_guest(&frame(1, payload));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("magic"), "{error}");
        assert!(from_host(&frame(129, payload)).is_err());
    }
}

#[test]
fn text_that_is_no_text_is_malformed() {
    // A log line: level 1, a text of 2 bytes that are not UTF-8.
    let (_, result) = from_guest(&frame(10, &[1, 2, 0xff, 0xfe]));
    assert!(matches!(
        result,
        Err(ProtocolError::Malformed { name: "log", .. })
    ));
    // And one of a level that there is not.
    let (_, result) = from_guest(&frame(10, &[3, 0]));
    assert!(matches!(
        result,
        Err(ProtocolError::Malformed { name: "log", .. })
    ));
}

#[test]
#[should_panic(expected = "overfilled decoder")]
fn filling_more_than_was_offered_is_a_bug_of_the_reader() {
    let mut decoder = Decoder::of_guest();
    let offered = decoder.space().len();
    decoder.filled(offered + 1);
}

#[test]
fn a_host_can_send_what_linux_can_execute() {
    // Six million bytes of arguments.
    let orders = bencher_output_protocol::Orders {
        arguments: vec![vec![b'x'; 1_000_000]; 6],
        ..empty_orders()
    };
    let message = HostMessage::Orders(Box::new(orders));
    assert_eq!(from_host(&message.encode().unwrap()), Ok(()));
    let orders = bencher_output_protocol::Orders {
        arguments: vec![vec![b'x'; 9_000_000]],
        ..empty_orders()
    };
    let error = HostMessage::Orders(Box::new(orders)).encode().unwrap_err();
    assert!(matches!(
        error,
        ProtocolError::Unsendable { name: "orders", .. }
    ));
}

fn empty_orders() -> bencher_output_protocol::Orders {
    use bencher_output_protocol::{Layouts, Limits, LogLevel, Orders, Root};
    Orders {
        root: Root::Directory { path: Vec::new() },
        hostname: String::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        working_directory: Vec::new(),
        user: String::new(),
        stop_signal: 15,
        outputs: Vec::new(),
        limits: Limits {
            output_bytes: 0,
            file_count: 0,
            file_bytes: 0,
            total_file_bytes: 0,
        },
        log_level: LogLevel::Info,
        network: None,
        layouts: Layouts::Fixed,
    }
}
