//! Results on their way from the storage.

use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{GetResult, ObjectStoreExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Kept, LEAST_RATE, OutputError, Outputs, SILENCE, StorageOperation};

/// A result on its way.
pub struct Reading {
    /// Bytes.
    pub length: u64,
    /// The bytes, in pieces.
    pub pieces: BoxStream<'static, Result<Bytes, OutputError>>,
    /// The storage that they come from, and the object's name there.
    source: Option<(Outputs, String)>,
}

/// How long so many bytes take at the least rate that a storage is to have.
pub(crate) fn lasting(length: u64) -> Duration {
    Duration::from_secs(length / LEAST_RATE)
}

impl Reading {
    /// Bytes; more than there can be in memory, where there are so many.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// All bytes. Whoever asks for them has room for so many.
    ///
    /// # Errors
    ///
    /// When the storage fails.
    pub(crate) async fn whole(mut self) -> Result<Vec<u8>, OutputError> {
        let mut bytes = Vec::with_capacity(self.size());
        while let Some(piece) = self.pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// All bytes, if the storage gives them until then.
    ///
    /// # Errors
    ///
    /// When the storage fails, or takes longer.
    pub(crate) async fn whole_until(mut self, end: Instant) -> Result<Vec<u8>, OutputError> {
        let Some((outputs, key)) = self.source.take() else {
            return self.whole().await;
        };
        let done = timeout_at(end, self.whole()).await;
        done.unwrap_or_else(|_| outputs.late(&key))
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reading")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Outputs {
    /// The results that are kept there, if the storage gives them in time: it has `patience` for whatever is short,
    /// and a second more for each MiB of what is long.
    ///
    /// # Errors
    ///
    /// When there are none, or the storage fails, or takes longer.
    pub async fn get(&self, kept: &Kept, patience: Duration) -> Result<Vec<u8>, OutputError> {
        let end = Instant::now() + patience;
        let reading = self.read_until(kept, end).await?;
        let end = end + lasting(reading.length);
        reading.whole_until(end).await
    }

    /// The same, without ever holding all of it, and however long it takes, as long as pieces come.
    ///
    /// # Errors
    ///
    /// When there are none, or the storage fails before the first piece.
    pub async fn read(&self, kept: &Kept) -> Result<Reading, OutputError> {
        self.read_with(kept, SILENCE).await
    }

    /// The same, if the storage gives each piece in time.
    pub(super) async fn read_with(
        &self,
        kept: &Kept,
        patience: Duration,
    ) -> Result<Reading, OutputError> {
        let key = match kept {
            Kept::Inline(text) => {
                let bytes = Bytes::from(text.clone());
                return Ok(Reading {
                    length: u64::try_from(bytes.len()).unwrap_or_default(),
                    pieces: Box::pin(stream::iter([Ok(bytes)])),
                    source: None,
                });
            }
            Kept::Object(key) => key,
        };
        let found = self.find(key).await?;
        let length = found.range.end - found.range.start;
        let source = (self.clone(), key.clone());
        let pieces = stream::try_unfold(
            (source.clone(), found.into_stream()),
            move |(source, mut pieces)| async move {
                let next = async move { (pieces.next().await, pieces) };
                let (outputs, key) = &source;
                let asked = outputs.ask(StorageOperation::Get, key, next);
                let Ok((piece, pieces)) = timeout(patience, asked).await else {
                    return outputs.late(key);
                };
                let piece = piece.transpose();
                let piece = piece.map_err(|cause| OutputError::object(key, cause));
                let piece = outputs.noted(StorageOperation::Get, piece)?;
                Ok(piece.map(|piece| (piece, (source, pieces))))
            },
        );
        Ok(Reading {
            length,
            pieces: Box::pin(pieces),
            source: Some(source),
        })
    }

    /// The same, if the storage begins until then.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and when the storage takes longer.
    pub(crate) async fn read_until(
        &self,
        kept: &Kept,
        end: Instant,
    ) -> Result<Reading, OutputError> {
        let Kept::Object(key) = kept else {
            return self.read(kept).await;
        };
        let begun = timeout_at(end, self.read(kept)).await;
        begun.unwrap_or_else(|_| self.late(key))
    }

    /// The storage has not given an object in time.
    fn late<T>(&self, key: &str) -> Result<T, OutputError> {
        let late = OutputError::Late(key.to_owned());
        self.noted(StorageOperation::Get, Err(late))
    }

    /// An object. That it is not there is believed only of a storage that is the right one: a
    /// bucket that is gone and a folder that is not mounted have no objects either.
    async fn find(&self, key: &str) -> Result<GetResult, OutputError> {
        let (store, path) = (self.store.clone(), Key::from(key));
        let asked = self.ask(
            StorageOperation::Get,
            key,
            async move { store.get(&path).await },
        );
        let found = asked.await;
        if let Err(object_store::Error::NotFound { .. }) = found {
            self.ping().await?;
        }
        let found = found.map_err(|cause| OutputError::object(key, cause));
        self.noted(StorageOperation::Get, found)
    }
}
