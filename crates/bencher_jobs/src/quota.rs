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
    /// Too important.
    #[error("priority {asked} is above {limit}, the highest that this project may ask for")]
    Priority {
        /// What was asked for.
        asked: u8,
        /// The limit.
        limit: u8,
    },
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
            quota.admit(u32::MAX, u32::MAX, 0),
            Err(QuotaError::Queued { .. })
        ));
        assert!(matches!(
            quota.admit(0, 1, 4),
            Err(QuotaError::Priority { asked: 4, limit: 3 })
        ));
    }
}
