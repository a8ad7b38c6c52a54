//! What a project may have at a time.

/// A project's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Jobs that wait.
    pub queued: u32,
    /// Jobs that runners work on.
    pub active: u32,
    /// The highest priority that its jobs may have.
    pub priority: u8,
}

/// Jobs that are not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Too many wait.
    #[error(
        "{queued} jobs of this project wait already, and {more} more would pass its limit of \
         {limit}: wait for some to be claimed, or cancel some"
    )]
    Queued {
        /// What waits.
        queued: u32,
        /// What was to be added.
        more: u32,
        /// The limit.
        limit: u32,
    },
    /// More than may ever wait.
    #[error(
        "{more} jobs at once are more than the {limit} of this project that may wait: submit fewer, or ask \
         an administrator for a higher quota"
    )]
    Never {
        /// What was to be added.
        more: u32,
        /// The limit.
        limit: u32,
    },
    /// Too important.
    #[error(
        "priority {asked} is above {limit}, the highest that this project may ask for: ask for less, or an \
         administrator for a higher quota"
    )]
    Priority {
        /// What was asked for.
        asked: u8,
        /// The limit.
        limit: u8,
    },
}

impl QuotaError {
    /// Whether the same may be taken in later, without another quota.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Queued { .. })
    }
}

impl Quota {
    /// Whether `more` jobs of `priority` may wait beside the `queued` ones.
    ///
    /// # Errors
    ///
    /// When a limit would be passed.
    pub fn admit(&self, queued: u32, more: u32, priority: u8) -> Result<(), QuotaError> {
        if priority > self.priority {
            return Err(QuotaError::Priority {
                asked: priority,
                limit: self.priority,
            });
        }
        if more > self.queued {
            return Err(QuotaError::Never {
                more,
                limit: self.queued,
            });
        }
        if queued.saturating_add(more) > self.queued {
            return Err(QuotaError::Queued {
                queued,
                more,
                limit: self.queued,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_may_be_reached_and_not_passed() {
        let quota = Quota {
            queued: 10,
            active: 2,
            priority: 3,
        };
        assert_eq!(quota.admit(9, 1, 3), Ok(()));
        assert!(matches!(
            quota.admit(9, 2, 0),
            Err(QuotaError::Queued { .. })
        ));
        assert!(matches!(
            quota.admit(u32::MAX, 10, 0),
            Err(QuotaError::Queued { .. })
        ));
        for (queued, more) in [(0, 11), (u32::MAX, u32::MAX)] {
            let refused = quota.admit(queued, more, 0);
            assert_eq!(refused, Err(QuotaError::Never { more, limit: 10 }));
        }
        let nothing = Quota { queued: 0, ..quota };
        assert!(matches!(
            nothing.admit(0, 1, 0),
            Err(QuotaError::Never { .. })
        ));
        assert!(matches!(
            quota.admit(0, 1, 4),
            Err(QuotaError::Priority { asked: 4, limit: 3 })
        ));
        for (error, may_pass) in [
            (quota.admit(9, 2, 0), true),
            (quota.admit(0, 11, 0), false),
            (quota.admit(0, 1, 4), false),
        ] {
            assert_eq!(error.map_err(|error| error.may_pass()), Err(may_pass));
        }
    }
}
