//! What an image is made of, and the key that this gives it.

use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Raised when the way images are written changes, so that old ones are not used again.
const FORMAT: &str = "2";

/// How to make an image.
pub(crate) trait Recipe {
    /// Everything that decides what the image holds; two recipes with the same ingredients make
    /// images of the same meaning.
    fn ingredients(&self) -> Vec<Vec<u8>>;

    /// One clause that says what is built from what.
    fn summary(&self) -> String;

    /// Writes the OCI image layout into the empty folder `layout`.
    ///
    /// # Errors
    ///
    /// When a step fails.
    fn build(&self, layout: &Path) -> anyhow::Result<()>;
}

/// Twelve hexadecimal digits that stand for the ingredients of `recipe`.
pub(crate) fn key(recipe: &dyn Recipe) -> String {
    let mut hash = Sha256::new();
    let ingredients = recipe.ingredients();
    for part in std::iter::once(FORMAT.as_bytes()).chain(ingredients.iter().map(Vec::as_slice)) {
        // The length keeps "ab", "c" apart from "a", "bc".
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..6])
}
