//! Layers in memory, well-behaved and others.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::{BoxedError, LayerSource};

/// An uncompressed layer in memory.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLayer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hint: Option<u64>,
    /// Whether the hint is known without a look at the layer.
    pub(crate) is_announced: bool,
    pub(crate) diff_id: [u8; 32],
    pub(crate) name: String,
    /// Where reading fails, if it does.
    pub(crate) fails_at: Option<usize>,
    pub(crate) opens: bool,
    /// What its stream is said to take.
    pub(crate) memory_bytes: u64,
}

impl MemoryLayer {
    pub(crate) fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self {
            hint: Some(bytes.len() as u64),
            is_announced: true,
            diff_id: Sha256::digest(&bytes).into(),
            bytes,
            name: name.to_owned(),
            fails_at: None,
            opens: true,
            memory_bytes: 0,
        }
    }

    pub(crate) fn hint(mut self, hint: Option<u64>) -> Self {
        self.hint = hint;
        self
    }
}

impl LayerSource for MemoryLayer {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxedError> {
        if !self.opens {
            return Err("no such blob".into());
        }
        Ok(match self.fails_at {
            None => Box::new(&self.bytes[..]),
            Some(at) => Box::new(self.bytes[..at].chain(Broken)),
        })
    }

    fn compressed_size(&self) -> u64 {
        self.bytes.len() as u64 / 3
    }

    fn uncompressed_size_hint(&self) -> Option<u64> {
        self.hint
    }

    fn announced_size(&self) -> Option<u64> {
        self.hint.filter(|_| self.is_announced)
    }

    fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    fn diff_id(&self) -> [u8; 32] {
        self.diff_id
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A source that never has anything but bad news.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the digest does not match"))
    }
}

pub(crate) fn sources(layers: &[MemoryLayer]) -> Vec<&dyn LayerSource> {
    layers
        .iter()
        .map(|layer| layer as &dyn LayerSource)
        .collect()
}
