//! Names, keys, digests, timeouts and reasons, from text and to it.

use bencher_channel_protocol::{
    Checksum, CloseReason, ConnectionNumber, ImageDigest, KeyError, PollTimeout, PullToken,
    RunnerId, RunnerKey, Uuid, channel_path,
};

#[test]
fn runners_have_a_uuid_or_a_slug() {
    let uuid = "3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10";
    assert_eq!(
        uuid.parse(),
        Ok(RunnerId::Uuid(Uuid::from_u128(
            0x3c5a_d7a1_6b6a_4a56_a1ee_1c4d_3b3f_2a10
        )))
    );
    for slug in [
        "a",
        "bench-1",
        "0",
        &"x".repeat(64),
        "3c5ad7a16b6a4a56a1ee1c4d3b3f2a10",
    ] {
        assert_eq!(slug.parse(), Ok(RunnerId::Slug(slug.into())), "{slug}");
    }
    for bad in [
        "",
        "-",
        "a-",
        "-a",
        "a--b",
        "A",
        "a/b",
        "a.b",
        "..",
        "a b",
        "é",
        &"x".repeat(65),
    ] {
        let error = bad.parse::<RunnerId>().unwrap_err().to_string();
        assert!(
            error.contains("is neither the UUID of a runner nor a slug"),
            "{error}"
        );
    }
    assert_eq!(
        channel_path(&"bench-1".parse().unwrap()),
        "/v0/runners/bench-1/channel"
    );
}

#[test]
fn connections_are_counted_from_one() {
    let first = ConnectionNumber::first(0x3c5a_d7a1_6b6a_4a56_a1ee_1c4d_3b3f_2a10);
    assert_eq!(first.to_string(), "3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10.1");
    let mut number = first;
    for expected in 2..=12 {
        number = number.next();
        let text = number.to_string();
        assert!(text.ends_with(&format!(".{expected}")), "{text}");
        assert_eq!(text.parse(), Ok(number));
    }
    let last = "3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10.4294967295";
    assert_eq!(last.parse().map(ConnectionNumber::next), last.parse());
}

#[test]
fn a_connection_is_numbered_in_one_form_alone() {
    let uuid = "3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10";
    for bad in [
        "",
        ".",
        "1",
        uuid,
        &format!("{uuid}."),
        &format!("{uuid}.0"),
        &format!("{uuid}.01"),
        &format!("{uuid}.+1"),
        &format!("{uuid}.-1"),
        &format!("{uuid}.1 "),
        &format!(" {uuid}.1"),
        &format!("{uuid}.1.1"),
        &format!("{uuid}.4294967296"),
        &format!("{uuid}.one"),
        &format!("{uuid}:1"),
        "3C5AD7A1-6B6A-4A56-A1EE-1C4D3B3F2A10.1",
        "3c5ad7a16b6a4a56a1ee1c4d3b3f2a10.1",
        "{3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10}.1",
        "bench-1.1",
    ] {
        let error = bad.parse::<ConnectionNumber>().unwrap_err().to_string();
        assert!(
            error.contains("and the number of its connection"),
            "{error}"
        );
    }
}

#[test]
fn only_a_process_can_overtake_itself() {
    let (one, other) = (ConnectionNumber::first(1), ConnectionNumber::first(2));
    for (arrives, known, is_overtaken) in [
        (one, one.next(), true),
        (one, one.next().next(), true),
        (one.next(), one.next(), true),
        (one.next(), one, false),
        (other, one.next(), false),
        (one, other.next(), false),
        (one, other, false),
    ] {
        assert_eq!(
            arrives.is_overtaken_by(known),
            is_overtaken,
            "{arrives} after {known}"
        );
    }
}

#[test]
fn keys_are_checked_and_never_printed() {
    let key: RunnerKey = "bencher_runner_s3cret".parse().unwrap();
    assert_eq!(key.expose(), "bencher_runner_s3cret");
    assert_eq!(format!("{key:?}"), "RunnerKey(…)");
    assert_eq!(
        format!("{:?}", PullToken::new("s3cret".to_owned())),
        "PullToken(…)"
    );
    for (text, error) in [
        ("s3cret", KeyError::Prefix),
        ("", KeyError::Prefix),
        ("bencher_runner_", KeyError::Length),
        (
            &format!("bencher_runner_{}", "x".repeat(241)),
            KeyError::Length,
        ),
        ("bencher_runner_s3cret\n", KeyError::Character(22)),
        ("bencher_runner_s3 cret", KeyError::Character(18)),
        ("bencher_runner_é", KeyError::Character(16)),
    ] {
        assert_eq!(text.parse::<RunnerKey>(), Err(error), "{text}");
        assert!(!error.to_string().contains("s3"), "{error}");
    }
}

#[test]
fn digests_have_one_form() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let checksum: Checksum = hex.parse().unwrap();
    assert_eq!(checksum.to_string(), hex);
    assert_eq!(checksum.bytes()[..2], [0xe3, 0xb0]);
    let digest: ImageDigest = format!("sha256:{hex}").parse().unwrap();
    assert_eq!(digest.checksum(), &checksum);
    for bad in [
        "",
        &hex[1..],
        &hex.to_uppercase(),
        &format!("{hex}0"),
        &format!("g{}", &hex[1..]),
    ] {
        assert!(bad.parse::<Checksum>().is_err(), "{bad}");
        assert!(
            format!("sha256:{bad}").parse::<ImageDigest>().is_err(),
            "{bad}"
        );
    }
    assert!(hex.parse::<ImageDigest>().is_err());
    // As many bytes as digits are expected, but no digits.
    assert!("é".repeat(32).parse::<Checksum>().is_err());
}

#[test]
fn poll_timeouts_have_bounds() {
    for seconds in [1, 30, 900] {
        assert_eq!(PollTimeout::new(seconds).unwrap().seconds(), seconds);
        assert_eq!(seconds.to_string().parse(), PollTimeout::new(seconds));
    }
    for bad in ["0", "901", "65537", "-1", "", "1.5", "1s"] {
        let error = bad.parse::<PollTimeout>().unwrap_err().to_string();
        assert!(error.starts_with("a poll timeout is a whole number of seconds from 1 to 900"));
    }
}

#[test]
fn reasons_are_known_with_and_without_quotes() {
    for reason in CloseReason::ALL {
        assert_eq!(CloseReason::parse(&reason.wire()), Some(reason));
        assert_eq!(CloseReason::parse(reason.name()), Some(reason));
    }
    assert_eq!(
        CloseReason::HeartbeatTimeout.wire(),
        "\"heartbeat_timeout\""
    );
    for other in [
        "",
        "\"",
        "\"\"",
        "server shutting down",
        "\"heartbeat_timeout",
    ] {
        assert_eq!(CloseReason::parse(other), None, "{other}");
    }
}
