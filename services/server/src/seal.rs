//! Secrets at rest: encrypted with a key that is not in the database.
//!
//! `base64(nonce ‖ ciphertext ‖ tag)` of ChaCha20-Poly1305 (RFC 8439), with the name that the secret
//! is kept under as associated data, so that a secret moved to another name can not be opened.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// Why a secret can not be kept or got.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key's file can not be used.
    #[error("failed to {action} the key of the secrets, {}: {cause}", .path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Others can read the key.
    #[error("{} can be read by others: run `chmod 600` on it, and change the secrets", .0.display())]
    Open(PathBuf),
    /// The file holds no key.
    #[error("{} does not hold 32 bytes in hexadecimal: restore it from a backup", .0.display())]
    NoKey(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: nothing can be encrypted")]
    NoRandomness,
    /// The database's secrets were encrypted with another one.
    #[error(
        "{} is not the key that the secrets in the database were encrypted with: copy this file from \
         another server of the database, or from a backup; if it is lost, `bencher-server secrets \
         forget` gives the secrets up",
        .0.display()
    )]
    OtherKey(PathBuf),
    /// It was encrypted with another key, or changed.
    #[error(
        "the secret of `{0}` can not be decrypted: restore the key's file, or set the secret anew"
    )]
    Damaged(String),
}

/// A key that seals secrets.
#[derive(Debug)]
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    /// The key in the file `path`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When the file can not be used, or others can read it.
    pub(crate) fn open(path: &Path) -> Result<Self, SealError> {
        let error = |action| {
            move |cause| SealError::File {
                action,
                path: path.to_owned(),
                cause,
            }
        };
        match fs::metadata(path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                return Err(SealError::Open(path.to_owned()));
            }
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(cause) => return Err(error("look at")(cause)),
        }
        let text = fs::read_to_string(path).map_err(error("read"))?;
        let mut bytes = [0; KEY_LEN];
        hex::decode_to_slice(text.trim_end(), &mut bytes)
            .map_err(|_| SealError::NoKey(path.to_owned()))?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes)
            .map_err(|_| SealError::NoKey(path.to_owned()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// `secret`, encrypted, to be kept under `name`.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub(crate) fn seal(&self, name: &str, secret: &str) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut bytes = secret.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name),
                &mut bytes,
            )
            .map_err(|_| SealError::NoRandomness)?;
        Ok(STANDARD.encode([&nonce[..], &bytes].concat()))
    }

    /// The secret that was kept under `name` as `sealed`.
    ///
    /// # Errors
    ///
    /// When it was sealed with another key or for another name, or changed.
    pub(crate) fn unseal(&self, name: &str, sealed: &str) -> Result<String, SealError> {
        let damaged = || SealError::Damaged(name.to_owned());
        let bytes = STANDARD.decode(sealed).map_err(|_| damaged())?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut rest = rest.to_vec();
        let secret = self
            .0
            .open_in_place(nonce, Aad::from(name), &mut rest)
            .map_err(|_| damaged())?;
        String::from_utf8(secret.to_vec()).map_err(|_| damaged())
    }
}

fn random(bytes: &mut [u8]) -> Result<(), SealError> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| SealError::NoRandomness)
}

/// Makes a key in a new file that nobody else can read. Of two servers that start together one
/// makes it, and both read it.
fn create(path: &Path) -> Result<(), SealError> {
    let mut key = [0; KEY_LEN];
    random(&mut key)?;
    let error = |cause| SealError::File {
        action: "create",
        path: path.to_owned(),
        cause,
    };
    // Under another name until it is whole.
    let mut name = [0; 8];
    random(&mut name)?;
    let draft = path.with_extension(hex::encode(name));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(error)?;
    file.write_all(format!("{}\n", hex::encode(key)).as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(error)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(error)?;
    match linked {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(error(cause)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer() -> (tempfile::TempDir, Sealer) {
        let folder = tempfile::tempdir().expect("a folder");
        let sealer = Sealer::open(&folder.path().join("key")).expect("a key");
        (folder, sealer)
    }

    #[test]
    fn the_key_stays_and_is_nobody_elses() {
        let (folder, key) = sealer();
        let path = folder.path().join("key");
        let sealed = key.seal("a", "secret").expect("sealed");
        let again = Sealer::open(&path).expect("the same key");
        assert_eq!(again.unseal("a", &sealed).expect("open"), "secret");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(Sealer::open(&path), Err(SealError::Open(_))));
        fs::remove_file(&path).expect("removed");
        let other = Sealer::open(&path).expect("another key");
        let error = other.unseal("a", &sealed).expect_err("another key");
        assert!(error.to_string().contains("`a`"), "{error}");
        fs::write(&path, "short").expect("written");
        assert!(matches!(Sealer::open(&path), Err(SealError::NoKey(_))));
    }

    #[test]
    fn a_secret_is_bound_to_its_name() {
        let (_folder, key) = sealer();
        let sealed = key.seal("one", "secret").expect("sealed");
        assert_ne!(sealed, key.seal("one", "secret").expect("sealed"));
        assert!(key.unseal("other", &sealed).is_err());
        for wrong in ["", "AAAA", "no base64!"] {
            assert!(key.unseal("one", wrong).is_err());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_changed_bit_is_noticed(secret in ".{0,40}", place: prop::sample::Index, bit in 0..8u8) {
            let (_folder, key) = sealer();
            let sealed = key.seal("n", &secret).expect("sealed");
            prop_assert_eq!(key.unseal("n", &sealed).expect("open"), secret);
            let mut bytes = STANDARD.decode(sealed).expect("base64");
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(key.unseal("n", &STANDARD.encode(bytes)).is_err());
        }
    }
}
