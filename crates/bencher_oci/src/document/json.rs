//! JSON that may be trusted to mean one thing, parsed in bounded memory.
//!
//! A first pass walks the whole document, the parts that nobody reads included, and refuses what
//! parsers disagree about (a key twice in one object) and what costs memory or stack (deep
//! nesting, very many values). The second pass builds the structure.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{DocumentError, MAX_DOCUMENT_BYTES};
use crate::Excerpt;
use crate::excerpt::printable;

/// How deep objects and lists may be nested. Image documents need six levels.
const MAX_DEPTH: u32 = 32;

/// How many values one document may have. A large index has a few thousand; the limit keeps 4 MiB
/// of `[[],[],…` from becoming a hundred times as much memory.
const MAX_VALUES: u32 = 100_000;

/// Parses one JSON document.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    let size = bytes.len() as u64;
    if size > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge { size });
    }
    let values = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Check {
        depth: 0,
        values: &values,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end())
    .map_err(|error| invalid(&error))?;
    serde_json::from_slice(bytes).map_err(|error| invalid(&error))
}

fn invalid(error: &serde_json::Error) -> DocumentError {
    // serde quotes what it found, which can be megabytes long.
    const MAX_CHARS: usize = 300;
    let message = error.to_string();
    let mut bounded: String = message
        .chars()
        .take(MAX_CHARS)
        .flat_map(printable)
        .collect();
    if message.chars().nth(MAX_CHARS).is_some() {
        bounded.push('…');
    }
    DocumentError::Json(bounded)
}

/// `null` is as good as an absent field: Go's encoder, which writes most image documents, writes
/// an empty list or map that way.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Walks a value without keeping it.
#[derive(Clone, Copy)]
struct Check<'a> {
    depth: u32,
    values: &'a Cell<u32>,
}

impl Check<'_> {
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            return Err(E::custom(format_args!(
                "it has more than {MAX_VALUES} values"
            )));
        }
        Ok(())
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!(
                "it is nested more than {MAX_DEPTH} levels deep"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while list.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut keys = HashSet::new();
        let mut fields = HashSet::new();
        while let Some(Key(key)) = object.next_key()? {
            if keys.contains(&key) || field(&key).is_some_and(|field| !fields.insert(field)) {
                let key = Excerpt::new(&key);
                return Err(A::Error::custom(format_args!("the key {key} stands twice")));
            }
            keys.insert(key);
            object.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// What readers of images look for. Go's, which most of them use, do not mind the case of letters,
/// and take the last of two keys that differ in nothing else.
const FIELDS: [&str; 27] = [
    "annotations",
    "architecture",
    "artifacttype",
    "cmd",
    "config",
    "data",
    "diff_ids",
    "digest",
    "entrypoint",
    "env",
    "imagelayoutversion",
    "labels",
    "layers",
    "manifests",
    "mediatype",
    "os",
    "platform",
    "repotags",
    "rootfs",
    "schemaversion",
    "size",
    "stopsignal",
    "type",
    "urls",
    "user",
    "variant",
    "workingdir",
];

/// Which of the fields a key is for whoever does not mind case.
fn field(key: &str) -> Option<&'static str> {
    // By way of capitals, which a long s and the sign of the kelvin share with ordinary letters.
    let lower = |letter: char| letter.to_uppercase().flat_map(char::to_lowercase);
    FIELDS
        .into_iter()
        .find(|field| field.chars().eq(key.chars().flat_map(lower)))
}

/// A key, borrowed from the document unless it has an escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn error(bytes: &[u8]) -> String {
        parse::<IgnoredAny>(bytes).unwrap_err().to_string()
    }

    #[test]
    fn refused_documents() {
        let deep = [vec![b'['; 33], vec![b']'; 33]].concat();
        let deeper = vec![b'['; 4 << 20];
        let wide = format!("[{}0]", "0,".repeat(100_000));
        let nested_objects = r#"{"a":"#.repeat(40);
        let cases: [(&[u8], &str); 14] = [
            (
                b"",
                "is not valid: EOF while parsing a value at line 1 column 0",
            ),
            (
                b"{",
                "is not valid: EOF while parsing an object at line 1 column 1",
            ),
            (
                b"{} {}",
                "is not valid: trailing characters at line 1 column 4",
            ),
            (
                b"{\"a\":1,}",
                "is not valid: trailing comma at line 1 column 8",
            ),
            (
                br#"{"a":1,"b":{"c":1,"c":2}}"#,
                "is not valid: the key `c` stands twice at line 1 column 21",
            ),
            (
                br#"{"a":1,"\u0061":2}"#,
                "is not valid: the key `a` stands twice at line 1 column 15",
            ),
            (
                br#"{"size":1,"Size":2}"#,
                "is not valid: the key `Size` stands twice at line 1 column 16",
            ),
            (
                "{\"o\u{17f}\":1,\"os\":2}".as_bytes(),
                "is not valid: the key `os` stands twice at line 1 column 13",
            ),
            (
                b"\"\xff\"",
                "is not valid: invalid unicode code point at line 1 column 2",
            ),
            (
                &deep,
                "is not valid: it is nested more than 32 levels deep at line 1 column 34",
            ),
            (
                &deeper,
                "is not valid: it is nested more than 32 levels deep at line 1 column 33",
            ),
            (
                nested_objects.as_bytes(),
                "is not valid: it is nested more than 32 levels deep at line 1 column 161",
            ),
            (
                wide.as_bytes(),
                "is not valid: it has more than 100000 values at line 1 column 199999",
            ),
            (
                &vec![b' '; (4 << 20) + 1],
                "is 4194305 bytes long, more than the limit of 4 MiB",
            ),
        ];
        for (bytes, message) in cases {
            assert_eq!(error(bytes), message);
        }
    }

    #[test]
    fn messages_are_bounded_and_printable() {
        let text = format!("{{\"a\":\"\\u001b{}\"}}", "x".repeat(1 << 20));
        let message = parse::<BTreeMap<String, u8>>(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(message.len() < 400 && message.ends_with('…'), "{message}");
        assert!(!message.contains('\x1b'), "{message}");
    }

    #[test]
    fn ordinary_documents() {
        let bytes = br#"{"a": [1, -2, 3.5, true, null, "x"], "b": {"a": {}}, "A": 1}"#;
        parse::<IgnoredAny>(bytes).unwrap();
        let numbers: BTreeMap<String, u64> = parse(br#"{"a": 1}"#).unwrap();
        assert_eq!(numbers["a"], 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>) {
            let strict = parse::<IgnoredAny>(&bytes).is_ok();
            let lax = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
            prop_assert!(!strict || lax);
        }

        #[test]
        fn distinct_keys_are_accepted(keys: BTreeMap<String, i64>) {
            let text = serde_json::to_vec(&keys).unwrap();
            prop_assert_eq!(parse::<BTreeMap<String, i64>>(&text).unwrap(), keys);
        }
    }
}
