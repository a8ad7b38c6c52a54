//! Where layers come from.

use std::error::Error;
use std::io::Read;

/// Whatever went wrong in another crate.
pub type BoxedError = Box<dyn Error + Send + Sync>;

/// One layer of an image, as a stream that can be read again from its beginning.
pub trait LayerSource: Send + Sync {
    /// Opens the uncompressed tar stream.
    ///
    /// The stream itself verifies digest and size of what it decompresses, and reports a mismatch
    /// as an error in place of its end.
    ///
    /// # Errors
    /// If there is no stream to be had.
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxedError>;

    /// Another layer has failed, or the build was cancelled: whoever waits for bytes of this one gives
    /// up.
    fn give_up(&self) {}

    /// Bytes of the layer as it is stored.
    fn compressed_size(&self) -> u64;

    /// Memory in bytes that its stream takes while it is open, beside buffers of a few MiB: what
    /// decides how many layers are read at the same time.
    fn memory_bytes(&self) -> u64 {
        0
    }

    /// What the layer says about the length of its stream: how far a build is. It may lie.
    fn uncompressed_size_hint(&self) -> Option<u64>;

    /// The length of its stream as it is known without a look at the layer, which may not be there as a
    /// whole yet. It decides where contents lie in the image, so it must be the same each time. It may
    /// lie; that costs nothing but a worse layout.
    fn announced_size(&self) -> Option<u64> {
        None
    }

    /// SHA-256 of the uncompressed stream. The build verifies it.
    fn diff_id(&self) -> [u8; 32];

    /// What messages call the layer: its digest.
    fn name(&self) -> String;
}
