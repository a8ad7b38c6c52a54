//! What shows that a job's measures can be trusted and compared.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The longest evidence, in bytes of JSON: what comes with outputs is not to take their place.
pub const MAX_EVIDENCE_BYTES: usize = 1024 * 1024;

/// The runner's own account of a job: which machine it was on which host, what each iteration used, and
/// what speaks against the numbers. A JSON object, which this protocol does not look into: the
/// result document of `runner run`, without what the command wrote.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Evidence(Box<RawValue>);

/// Why a text is no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is longer than [`MAX_EVIDENCE_BYTES`].
    #[error("it has {0} bytes, more than the {MAX_EVIDENCE_BYTES} allowed")]
    Length(usize),
    /// It is no JSON object.
    #[error("it is no JSON object")]
    NoObject,
}

impl Evidence {
    /// The evidence that a text holds.
    ///
    /// # Errors
    ///
    /// When it is no JSON object, or too long.
    pub fn new(text: String) -> Result<Self, EvidenceError> {
        let value = RawValue::from_string(text).map_err(|_| EvidenceError::NoObject)?;
        let evidence = Self(value);
        evidence.check()?;
        Ok(evidence)
    }

    /// Makes sure that it is some. What came in a message may be anything: it must not cost the results that
    /// it came with.
    ///
    /// # Errors
    ///
    /// When it is no JSON object, or too long.
    pub fn check(&self) -> Result<(), EvidenceError> {
        let length = self.text().len();
        if length > MAX_EVIDENCE_BYTES {
            return Err(EvidenceError::Length(length));
        }
        if !self.text().starts_with('{') {
            return Err(EvidenceError::NoObject);
        }
        Ok(())
    }

    /// Its JSON.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Its JSON.
    pub fn into_text(self) -> String {
        Box::<str>::from(self.0).into()
    }

    /// A field of a message, whatever is in it.
    pub(crate) fn unchecked<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let value = Option::<Box<RawValue>>::deserialize(deserializer)?;
        Ok(value.map(Self))
    }
}

impl PartialEq for Evidence {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Evidence {}

impl fmt::Debug for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Evidence({} bytes)", self.text().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_an_object_of_bounded_length() {
        let of = |text: &str| Evidence::new(text.to_owned());
        assert_eq!(of(r#"{"a": 1}"#).unwrap().text(), r#"{"a": 1}"#);
        for text in ["", "{", "[]", "1", "null", "{} {}"] {
            assert_eq!(of(text), Err(EvidenceError::NoObject), "{text}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_EVIDENCE_BYTES - 8));
        assert_eq!(long.len(), MAX_EVIDENCE_BYTES);
        assert!(of(&long).is_ok());
        let error = of(&long.replace("{\"", "{ \"")).unwrap_err();
        assert_eq!(error, EvidenceError::Length(MAX_EVIDENCE_BYTES + 1));
    }
}
