//! Pulling an image into the store.

use bencher_oci::registry::RegistryReference;
use bencher_oci::{Cancellation, Image};

use super::obtain::Coming;
use super::{ImageChoice, OpenImageError};
use crate::{Directories, Reporter};

/// Asks its registry for the image that `choice` names, whatever is in the store or called the same
/// here, and fetches what is missing. Ends when `cancel` says so; what has come until then
/// stays. Returns the digest of what the name stands for.
///
/// # Errors
///
/// [`OpenImageError`]: the name is none, its registry does not give it, or the store does not take
/// it.
pub fn pull_image(
    choice: &ImageChoice,
    directories: &Directories,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<String, OpenImageError> {
    let reference: RegistryReference = choice.name.to_string_lossy().parse()?;
    let coming = Coming::begin(&reference, choice, directories, reporter, cancel)?;
    let digest = coming.digest();
    let nothing_else = |_: &Image, _: &dyn Reporter| Ok::<_, OpenImageError>(());
    coming.fetch_beside(nothing_else)?;
    Ok(digest)
}
