//! What makes two root filesystem images the same.

use std::fmt;

use sha2::{Digest, Sha256};

/// Changes whenever the same layers would give other bytes than before.
pub const FORMAT_VERSION: u32 = 2;

/// Identifies an image by everything that its bytes depend on: the layers in order, the size of
/// the disk, and [`FORMAT_VERSION`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ImageIdentity([u8; 32]);

impl ImageIdentity {
    /// The identity of the image of a disk of so many bytes with these layers, given by their
    /// `diff_id`s, the lowest first.
    pub fn new(diff_ids: impl IntoIterator<Item = [u8; 32]>, disk_bytes: u64) -> Self {
        let mut hash = Sha256::new();
        // Everything is of fixed length, so different input can not look the same.
        hash.update(FORMAT_VERSION.to_le_bytes());
        hash.update(disk_bytes.to_le_bytes());
        for diff_id in diff_ids {
            hash.update(diff_id);
        }
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

/// Hexadecimal digits.
impl fmt::Display for ImageIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_matters_changes_it() {
        let identities = [
            ImageIdentity::new([], 1),
            ImageIdentity::new([], 2),
            ImageIdentity::new([[0; 32]], 1),
            ImageIdentity::new([[1; 32]], 1),
            ImageIdentity::new([[0; 32], [1; 32]], 1),
            ImageIdentity::new([[1; 32], [0; 32]], 1),
        ];
        for (place, one) in identities.iter().enumerate() {
            assert!(!identities[..place].contains(one));
        }
        assert_eq!(identities[2], ImageIdentity::new([[0; 32]], 1));
    }

    #[test]
    fn it_is_stable() {
        let identity = ImageIdentity::new([[7; 32]], 1 << 30).to_string();
        assert_eq!(identity.len(), 64);
        assert!(identity.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
