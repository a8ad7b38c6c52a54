//! What was encrypted with the key of the secrets, so that another key is noticed.

use super::row::text;
use super::{Store, StoreError, Transaction};

/// What it is kept under, which is the name of no registry.
pub const SEAL: &str = "key";

/// Something that the key of the secrets has sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The name that it was sealed for.
    pub name: String,
    /// What came of it.
    pub sealed: String,
}

impl Store {
    /// What the servers' key has sealed: what was sealed to be found here, else any credential.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sealed(&self) -> Result<Option<Sealed>, StoreError> {
        let query = sqlx::query(
            "SELECT name, sealed FROM (SELECT name, sealed, 0 AS place FROM seals WHERE name = $1 \
             UNION ALL SELECT registry AS name, sealed, 1 AS place FROM credentials) AS all_seals \
             ORDER BY place, name LIMIT 1",
        )
        .bind(SEAL);
        self.row(query)
            .await?
            .map(|row| {
                Ok(Sealed {
                    name: text(&row, "name")?,
                    sealed: text(&row, "sealed")?,
                })
            })
            .transpose()
    }
}

impl Transaction {
    /// Keeps what the servers' key has sealed for [`Store::sealed`], unless another server did.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_seal(&mut self, sealed: &str) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO seals (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(SEAL)
            .bind(sealed)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Forgets all that was sealed, and how many registries' credentials are gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_seals(&mut self) -> Result<u64, StoreError> {
        sqlx::query("DELETE FROM seals")
            .execute(self.connection())
            .await?;
        let done = sqlx::query("DELETE FROM credentials")
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected())
    }
}
