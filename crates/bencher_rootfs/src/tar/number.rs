//! Numbers in tar headers and PAX records.

use crate::tree::Timestamp;

/// A numeric header field: octal digits padded with spaces or NULs, or, if the first bit is set,
/// a big-endian two's complement number (GNU's base-256). Nothing if it is neither, or beyond
/// `i64`. An empty field is zero.
pub(super) fn field(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => base256(bytes),
        _ => octal(bytes),
    }
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let padding = |byte: &&u8| matches!(**byte, b' ' | 0);
    let mut bytes = bytes.iter().skip_while(padding);
    let mut value = 0i64;
    for &byte in bytes.by_ref().take_while(|byte| !padding(byte)) {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 8)?;
        value = value.checked_mul(8)?.checked_add(i64::from(digit))?;
    }
    // What follows the terminator is not looked at by other readers either.
    Some(value)
}

fn base256(bytes: &[u8]) -> Option<i64> {
    let (&first, rest) = bytes.split_first()?;
    // The first bit only marks the format; the second is the sign.
    let first = i64::from(first & 0x7f);
    let mut value = if first & 0x40 == 0 {
        first
    } else {
        first - 0x80
    };
    for &byte in rest {
        value = value.checked_mul(256)?.checked_add(i64::from(byte))?;
    }
    Some(value)
}

/// A decimal number without sign, as PAX records have them.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// A PAX time: `[-]seconds[.fraction]`. Digits beyond nanoseconds are cut off.
pub(super) fn time(bytes: &[u8]) -> Option<Timestamp> {
    let (negative, magnitude) = match bytes.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let (whole, fraction) = match magnitude.iter().position(|&byte| byte == b'.') {
        Some(point) => (&magnitude[..point], &magnitude[point + 1..]),
        None => (magnitude, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanoseconds = 0;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |digit| digit - b'0');
        nanoseconds = nanoseconds * 10 + u32::from(digit);
    }
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => Timestamp {
            seconds,
            nanoseconds,
        },
        (true, 0) => Timestamp {
            seconds: -seconds,
            nanoseconds: 0,
        },
        // Seconds are rounded towards the past.
        (true, _) => Timestamp {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields() {
        let table: &[(&[u8], Option<i64>)] = &[
            (b"0000644\0", Some(0o644)),
            (b"  644 \0\0", Some(0o644)),
            (b"\0\x00644\0\0", Some(0o644)),
            (b"77777777777 ", Some(0o77_777_777_777)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"12\0garb", Some(0o12)),
            (b"0000008\0", None),
            (b"-000001\0", None),
            (b"\x80\0\0\0\0\0\0\x01", Some(1)),
            (b"\x80\0\0\0\0\0\x01\0\0\0\0\0", Some(1 << 40)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Some(-1),
            ),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Some(i64::MAX),
            ),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(field(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn pax_times() {
        type Expected = Option<(i64, u32)>;
        let table: &[(&[u8], Expected)] = &[
            (b"0", Some((0, 0))),
            (b"12", Some((12, 0))),
            (b"12.", Some((12, 0))),
            (b"12.5", Some((12, 500_000_000))),
            (b"1.000000001", Some((1, 1))),
            (b"1.0000000019999", Some((1, 1))),
            (b"-1", Some((-1, 0))),
            (b"-1.5", Some((-2, 500_000_000))),
            (b"-0.000000001", Some((-1, 999_999_999))),
            (b"9223372036854775807", Some((i64::MAX, 0))),
            (b"-9223372036854775807.5", Some((i64::MIN, 500_000_000))),
            (b"9223372036854775808", None),
            (b"", None),
            (b".5", None),
            (b"--1", None),
            (b"+1", None),
            (b"1.x", None),
            (b"1e3", None),
        ];
        for (bytes, expected) in table {
            let expected = expected.map(|(seconds, nanoseconds)| Timestamp {
                seconds,
                nanoseconds,
            });
            assert_eq!(time(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn decimals() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            &b""[..],
            b"18446744073709551616",
            b"+1",
            b"-1",
            b" 1",
            b"1 ",
        ] {
            assert_eq!(decimal(bad), None, "{}", bad.escape_ascii());
        }
    }
}
