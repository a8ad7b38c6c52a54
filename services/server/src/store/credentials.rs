//! Credentials of registries, which are here only encrypted.

use bencher_jobs::Timestamp;

use super::row::{sought, text};
use super::{Store, StoreError, Transaction};

impl Store {
    /// What is kept for a registry, encrypted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credential(&self, registry: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query("SELECT sealed FROM credentials WHERE registry = $1")
            .bind(registry.to_owned());
        self.row(query)
            .await?
            .map(|row| text(&row, "sealed"))
            .transpose()
    }

    /// The registries that something is kept for.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(&self) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query("SELECT registry FROM credentials ORDER BY registry");
        let rows = self.rows(query).await?;
        rows.iter().map(|row| text(row, "registry")).collect()
    }
}

impl Transaction {
    /// Keeps something for a registry, instead of what was there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn set_credential(&mut self, registry: &str, sealed: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO credentials (registry, sealed, created) VALUES ($1, $2, $3) \
             ON CONFLICT (registry) DO UPDATE SET sealed = excluded.sealed, created = excluded.created",
        )
        .bind(registry)
        .bind(sealed)
        .bind(Timestamp::now().milliseconds())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets what is kept for a registry.
    ///
    /// # Errors
    ///
    /// When nothing is.
    pub async fn remove_credential(&mut self, registry: &str) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM credentials WHERE registry = $1")
            .bind(sought("credential of the registry", registry)?)
            .execute(self.connection())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(
                "credential of the registry",
                registry,
            ));
        }
        Ok(())
    }
}
