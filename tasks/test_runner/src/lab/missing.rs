//! What a lab needs and this machine does not have.

/// A prerequisite that is not there: no fault of the project, so that checks are skipped for it.
/// The text says what is missing and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Missing(pub(crate) String);

impl Missing {
    /// The reason, when `error` is or wraps a missing prerequisite.
    pub(crate) fn reason(error: &anyhow::Error) -> Option<String> {
        error.downcast_ref::<Self>().map(|_| format!("{error:#}"))
    }
}

/// Marks a failure as a missing prerequisite.
pub(crate) fn missing(error: &anyhow::Error) -> anyhow::Error {
    Missing(format!("{error:#}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_below_what_was_being_done() {
        let error = missing(&anyhow::anyhow!("no packages").context("no QEMU"));
        assert_eq!(
            Missing::reason(&error.context("no lab")).as_deref(),
            Some("no lab: no QEMU: no packages")
        );
        assert_eq!(Missing::reason(&anyhow::anyhow!("another error")), None);
    }
}
