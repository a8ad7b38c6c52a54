//! How long things may be, for both sides: what passes here is taken, what does not is refused.

use thiserror::Error;

use crate::Excerpt;

/// The most arguments that an entrypoint has, and a command.
pub const MAX_ARGUMENTS: usize = 64;
/// The most variables of an environment.
pub const MAX_ENVIRONMENT: usize = 255;
/// The most files that are asked for.
pub const MAX_FILE_PATHS: usize = 255;
/// The most iterations of a job.
pub const MAX_ITERATIONS: u32 = 65_535;
/// The most files in the results of a job, of all iterations together: no message of [`MESSAGE_LIMIT`] has more, since
/// each takes seven bytes, as `"/":"",` does.
pub const MAX_FILES: usize = MESSAGE_LIMIT / 7;
/// The longest argument, or variable with its value, in bytes: what Linux takes (`MAX_ARG_STRLEN`,
/// less the NUL).
pub const MAX_TEXT_BYTES: usize = 131_071;
/// The longest path, in bytes: what Linux takes (`PATH_MAX`, less the NUL).
pub const MAX_PATH_BYTES: usize = 4_095;
/// The longest address, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;
/// The longest name, slug, version or moment, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// The longest pull token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 65_536;
/// The longest error of a failed job, in bytes.
pub const MAX_ERROR_BYTES: usize = 65_536;
/// How long a message may be, in bytes of JSON, where a server says nothing else: a longer one
/// resets the connection.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// A value that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BoundError {
    /// A list or a map has too many items.
    #[error("`{field}` has {count} items, more than the {most} allowed")]
    Count {
        /// The field's name.
        field: &'static str,
        /// How many items it has.
        count: usize,
        /// How many it may have.
        most: usize,
    },
    /// A text is too long.
    #[error("`{field}` is {length} bytes long, more than the {most} allowed")]
    Length {
        /// The field's name.
        field: &'static str,
        /// How long it is, in bytes.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// A text holds a NUL, which no argument, variable or path can.
    #[error("`{field}` holds a NUL byte: {text}")]
    Nul {
        /// The field's name.
        field: &'static str,
        /// The text.
        text: Excerpt,
    },
    /// A text must not be empty.
    #[error("`{field}` is empty")]
    Empty {
        /// The field's name.
        field: &'static str,
    },
    /// A variable's name holds an equals sign.
    #[error("the variable name {0} holds an equals sign")]
    VariableName(Excerpt),
    /// A number is too large.
    #[error("`{field}` is {value}, more than the {most} allowed")]
    Value {
        /// The field's name.
        field: &'static str,
        /// The number.
        value: u64,
        /// The largest that is allowed.
        most: u64,
    },
    /// A number must not be 0.
    #[error("`{field}` is 0")]
    Zero {
        /// The field's name.
        field: &'static str,
    },
}

pub(crate) fn count(field: &'static str, count: usize, most: usize) -> Result<(), BoundError> {
    if count > most {
        return Err(BoundError::Count { field, count, most });
    }
    Ok(())
}

pub(crate) fn length(field: &'static str, text: &str, most: usize) -> Result<(), BoundError> {
    if text.len() > most {
        return Err(BoundError::Length {
            field,
            length: text.len(),
            most,
        });
    }
    Ok(())
}

/// A text that has something in it.
pub(crate) fn filled(field: &'static str, text: &str, most: usize) -> Result<(), BoundError> {
    if text.is_empty() {
        return Err(BoundError::Empty { field });
    }
    length(field, text, most)
}

/// A text that a system call will take.
pub(crate) fn no_nul(field: &'static str, text: &str) -> Result<(), BoundError> {
    if text.contains('\0') {
        return Err(BoundError::Nul {
            field,
            text: Excerpt::new(text),
        });
    }
    Ok(())
}

pub(crate) fn not_zero(field: &'static str, value: u64) -> Result<(), BoundError> {
    if value == 0 {
        return Err(BoundError::Zero { field });
    }
    Ok(())
}
