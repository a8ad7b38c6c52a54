//! What the storage is asked for, and what it did not do.

use super::{OutputError, Outputs};

/// What the storage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StorageOperation {
    /// To keep results.
    Put,
    /// To give results.
    Get,
    /// To say what there is.
    List,
    /// To remove results.
    Delete,
    /// To show that it is there, and the right one.
    Check,
}

impl StorageOperation {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Put, Self::Get, Self::List, Self::Delete, Self::Check];

    /// Its name among the numbers for Prometheus.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Check => "check",
        }
    }
}

impl Outputs {
    /// What came of it; that it failed is counted.
    pub(super) fn noted<T>(
        &self,
        operation: StorageOperation,
        done: Result<T, OutputError>,
    ) -> Result<T, OutputError> {
        if let (Err(_), Some(metrics)) = (&done, &self.metrics) {
            metrics.count_storage_error(operation);
        }
        done
    }
}
