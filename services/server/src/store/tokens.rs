//! Users' tokens.

use std::fmt;
use std::str::FromStr;

use bencher_jobs::{ProjectId, Timestamp, TokenId, UnknownName};
use sqlx::any::AnyRow;

use super::row::{all, maybe_parsed, maybe_time, parsed, text, time};
use super::{Page, Signal, Store, StoreError, Transaction};

/// What a token allows. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// To read.
    Viewer,
    /// To submit and cancel jobs.
    Submitter,
    /// Everything.
    Admin,
}

impl Role {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Viewer, Self::Submitter, Self::Admin]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownName(text.to_owned()))
    }
}

/// A user's token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its identifier.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The only project it is for; nothing: all.
    pub project: Option<ProjectId>,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it is not good any more.
    pub revoked: Option<Timestamp>,
}

impl Token {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(row, "id")?,
            name: text(row, "name")?,
            role: parsed(row, "role")?,
            project: maybe_parsed(row, "project")?,
            created: time(row, "created")?,
            revoked: maybe_time(row, "revoked")?,
        })
    }
}

impl Store {
    /// The token with this hash that is still good.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE hash = $1 AND revoked IS NULL")
            .bind(hash.to_owned());
        self.row(query)
            .await?
            .map(|row| Token::read(&row))
            .transpose()
    }

    /// Whether a token is still good.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_token_good(&self, id: TokenId) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT id FROM tokens WHERE id = $1 AND revoked IS NULL")
            .bind(id.to_string());
        Ok(self.row(query).await?.is_some())
    }

    /// Whether any token was ever made.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_tokens(&self) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT id FROM tokens LIMIT 1");
        Ok(self.row(query).await?.is_some())
    }

    /// Tokens, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tokens(&self, page: &Page) -> Result<Vec<Token>, StoreError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.below().to_owned())
            .bind(page.limit());
        all(&self.rows(query).await?, Token::read)
    }
}

impl Transaction {
    /// Makes a token, of which only `hash` is kept.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn create_token(
        &mut self,
        name: &str,
        hash: &str,
        role: Role,
        project: Option<ProjectId>,
    ) -> Result<Token, StoreError> {
        let token = Token {
            id: TokenId::generate(),
            name: name.to_owned(),
            role,
            project,
            created: Timestamp::now(),
            revoked: None,
        };
        sqlx::query(
            "INSERT INTO tokens (id, name, hash, role, project, created) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(token.id.to_string())
        .bind(name)
        .bind(hash)
        .bind(role.name())
        .bind(project.map(|project| project.to_string()))
        .bind(token.created.milliseconds())
        .execute(self.connection())
        .await?;
        Ok(token)
    }

    /// Makes a token worthless.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn revoke_token(&mut self, id: TokenId) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE tokens SET revoked = $1 WHERE id = $2 AND revoked IS NULL")
            .bind(Timestamp::now().milliseconds())
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found("token", &id.to_string()));
        }
        self.signal(Signal::Tokens);
        Ok(())
    }
}
