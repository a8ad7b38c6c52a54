//! The published schema of the result document.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

use super::expect::{Checked, Mismatch};

/// What users get: a result is checked against this, not against the runner's own idea of it.
const PUBLISHED: &str = include_str!("../../../../docs/result.schema.json");

/// Checks `result` against the schema.
pub(crate) fn check(result: &Value) -> Checked {
    static VALIDATOR: OnceLock<Option<Validator>> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let schema = serde_json::from_str(PUBLISHED).ok()?;
        jsonschema::validator_for(&schema).ok()
    });
    let Some(validator) = validator else {
        return Err(Mismatch::new("docs/result.schema.json", "a schema", "none"));
    };
    match validator.iter_errors(result).next() {
        None => Ok(()),
        Some(error) => Err(Mismatch::new(
            format!("the result at {:?}", error.instance_path().to_string()),
            "what the schema says",
            error,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schema_can_be_used_and_asks_for_something() {
        let error = check(&json!({"version": 1})).expect_err("it lacks nearly everything");
        assert!(error.to_string().contains("required"), "{error}");
    }
}
