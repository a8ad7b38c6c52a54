//! Writing a blob: verified, whole or not there, and resumed where the last writer stopped.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::{file_error, remove_file};
use super::lock::Lock;
use super::{BlobLease, Store, StoreError};
use crate::digest::Hasher;
use crate::hashed_buffer::CHUNK;
use crate::{Cancellation, Digest};

/// What is to be done for a blob that somebody needs.
#[derive(Debug)]
pub enum Ingestion {
    /// Nothing: the store has it.
    Present(BlobLease),
    /// It has to be written.
    Missing(Box<Ingest>),
}

/// A blob that is being written, by nobody else.
///
/// What was written and not committed stays when this is dropped, or its process dies, and the
/// next ingest of the same blob goes on there.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    digest: Digest,
    size: u64,
    offset: u64,
    /// `None` if the writer verifies the blob.
    hasher: Option<Hasher>,
    /// The partial file. `None` once it is a blob, or thrown away.
    partial: Option<Lock>,
    lease: Option<Lock>,
}

impl Store {
    /// Begins to write the blob `digest` of `size` bytes, or goes on with it, unless it is there.
    ///
    /// Blocks while another process writes the same blob, unless `cancellation` ends that. So that two who want the same blobs can
    /// not wait for each other for ever, a process must be able to finish each ingest that it has
    /// begun without beginning another one.
    ///
    /// # Errors
    /// [`StoreError::Size`] if the blob is there with another length; [`StoreError::Cancelled`]; other
    /// [`StoreError`]s.
    pub fn ingest(
        &self,
        digest: &Digest,
        size: u64,
        cancellation: &Cancellation,
    ) -> Result<Ingestion, StoreError> {
        self.begin(digest, size, Some(Hasher::like(digest)), cancellation)
    }

    /// The same for a writer that hashes every byte itself, those of [`Ingest::kept`] included, and
    /// commits only what has the right digest: large blobs need not be hashed twice.
    ///
    /// # Errors
    /// As [`Store::ingest`].
    pub fn ingest_verified(
        &self,
        digest: &Digest,
        size: u64,
        cancellation: &Cancellation,
    ) -> Result<Ingestion, StoreError> {
        self.begin(digest, size, None, cancellation)
    }

    fn begin(
        &self,
        digest: &Digest,
        size: u64,
        hasher: Option<Hasher>,
        cancellation: &Cancellation,
    ) -> Result<Ingestion, StoreError> {
        let lease = self.lease(digest)?;
        let path = self.partial_path(digest);
        if self.has(digest, size)? {
            // Who was killed before it saw that there was nothing left to write has left this.
            if path.exists() {
                self.remove_partial(digest)?;
            }
            return Ok(Ingestion::Present(BlobLease::new(digest, lease)));
        }
        let partial = Lock::wait_unless(&path, cancellation)?;
        // Who held the lock may have finished the blob.
        if self.has(digest, size)? {
            remove_file(&path)?;
            return Ok(Ingestion::Present(BlobLease::new(digest, lease)));
        }
        let mut ingest = Ingest {
            store: self.clone(),
            digest: digest.clone(),
            size,
            offset: 0,
            hasher,
            partial: Some(partial),
            lease: Some(lease),
        };
        ingest.resume()?;
        Ok(Ingestion::Missing(Box::new(ingest)))
    }

    fn has(&self, digest: &Digest, size: u64) -> Result<bool, StoreError> {
        match self.blob_len(digest)? {
            None => Ok(false),
            Some(actual) if actual == size => Ok(true),
            Some(actual) => Err(StoreError::Size {
                digest: digest.clone(),
                size,
                actual,
            }),
        }
    }
}

impl Ingest {
    /// The blob.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The blob's length.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes there are already: the next one to write is the blob's byte of this number,
    /// from 0. It may be all of them.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives what there is already, from the blob's beginning on, in pieces to `each`.
    ///
    /// # Errors
    /// [`StoreError::File`] if it can not be read.
    pub fn kept(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        let path = self.store.partial_path(&self.digest);
        let mut file = self.file()?;
        let failed = |cause| file_error("read", &path, cause);
        file.rewind().map_err(failed)?;
        read(file, &path, each)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        Ok(())
    }

    /// The file, for whoever reads what has come while more comes. It stays the blob's when that is
    /// whole.
    pub(crate) fn reader(&self) -> Result<File, StoreError> {
        let path = self.store.partial_path(&self.digest);
        File::open(&path).map_err(|cause| file_error("open", &path, cause))
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`StoreError::TooLong`], after which nothing of the blob is kept; [`StoreError::NoSpace`]
    /// and [`StoreError::File`], after which what was written before is.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() as u64 > self.size - self.offset {
            // What is longer than it should be is not what it should be.
            self.discard()?;
            return Err(StoreError::TooLong {
                digest: self.digest.clone(),
                size: self.size,
            });
        }
        if let Err(cause) = self.file()?.write_all(bytes) {
            // Some of the bytes may be there, and the writer will not know how many.
            self.cut_off()?;
            return Err(self.write_error(cause));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what there is, for a source that can not go on in the middle.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn restart(&mut self) -> Result<(), StoreError> {
        if let Some(hasher) = &mut self.hasher {
            *hasher = Hasher::like(&self.digest);
        }
        self.offset = 0;
        self.cut_off()
    }

    /// Leaves nothing behind the offset.
    fn cut_off(&self) -> Result<(), StoreError> {
        let mut file = self.file()?;
        file.set_len(self.offset)
            .and_then(|()| file.seek(SeekFrom::Start(self.offset)))
            .map_err(|cause| {
                file_error("shorten", &self.store.partial_path(&self.digest), cause)
            })?;
        Ok(())
    }

    /// Makes the blob of what was written.
    ///
    /// # Errors
    /// [`StoreError::TooShort`], after which it can be resumed; [`StoreError::Digest`], after which
    /// nothing of it is kept; [`StoreError::NoSpace`] and [`StoreError::File`].
    pub fn commit(mut self) -> Result<BlobLease, StoreError> {
        if self.offset < self.size {
            return Err(StoreError::TooShort {
                digest: self.digest.clone(),
                size: self.size,
                actual: self.offset,
            });
        }
        if let Some(actual) = self.hasher.take().map(Hasher::finish)
            && actual != self.digest
        {
            self.discard()?;
            return Err(StoreError::Digest {
                expected: self.digest.clone(),
                actual,
            });
        }
        self.publish()?;
        // Others that wait for it find the blob.
        self.partial = None;
        match self.lease.take() {
            Some(lease) => Ok(BlobLease::new(&self.digest, lease)),
            None => Err(self.ended()),
        }
    }

    fn publish(&self) -> Result<(), StoreError> {
        let partial = self.store.partial_path(&self.digest);
        let blob = self.store.blob_path(&self.digest);
        let file = self.file()?;
        file.sync_all().map_err(|cause| self.write_error(cause))?;
        fs::rename(&partial, &blob).map_err(|cause| file_error("create", &blob, cause))?;
        // Not before: who goes on with a partial file has to write to it.
        file.set_permissions(Permissions::from_mode(0o444))
            .map_err(|cause| file_error("protect", &blob, cause))?;
        let folder = blob.parent().unwrap_or(&self.store.folder);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| file_error("sync", folder, cause))
    }

    /// Takes in what an earlier writer left.
    fn resume(&mut self) -> Result<(), StoreError> {
        let metadata = self.file()?.metadata();
        let len = metadata
            .map_err(|cause| file_error("look at", &self.store.partial_path(&self.digest), cause))?
            .len();
        if len > self.size {
            return self.restart();
        }
        if let Some(mut hasher) = self.hasher.take() {
            self.kept(&mut |bytes| hasher.update(bytes))?;
            self.hasher = Some(hasher);
        }
        self.offset = len;
        self.cut_off()
    }

    fn discard(&mut self) -> Result<(), StoreError> {
        remove_file(&self.store.partial_path(&self.digest))?;
        self.partial = None;
        Ok(())
    }

    fn file(&self) -> Result<&File, StoreError> {
        self.partial
            .as_ref()
            .map(Lock::file)
            .ok_or_else(|| self.ended())
    }

    /// After an error that threw the blob away.
    fn ended(&self) -> StoreError {
        let path = self.store.partial_path(&self.digest);
        file_error("write", &path, io::ErrorKind::NotFound.into())
    }

    fn write_error(&self, cause: io::Error) -> StoreError {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoSpace {
                path: self.store.folder.clone(),
                digest: self.digest.clone(),
            },
            _ => file_error("write", &self.store.partial_path(&self.digest), cause),
        }
    }
}

/// Reads a file from where it stands to its end.
fn read(mut file: &File, path: &Path, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => each(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(file_error("read", path, error)),
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.partial.is_some() && self.offset == 0 {
            // There is nothing to go on with. If it can not be removed it harms nobody.
            let _left_over = remove_file(&self.store.partial_path(&self.digest));
        }
    }
}
