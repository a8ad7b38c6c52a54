//! How much of the host's memory and disk an image may cost.

/// Bounds on what an image makes its reader do. They exist because images are hostile; the
/// defaults are far beyond honest images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a compressed archive may unpack to, on disk. Default: 32 GiB.
    pub archive_bytes: u64,
    /// How many times larger than its compressed form an archive may be, once it exceeds
    /// [`expansion_allowance`](Self::expansion_allowance). Default: 200.
    pub expansion_ratio: u64,
    /// Unpacked bytes of an archive to which no ratio applies. Default: 1 GiB.
    pub expansion_allowance: u64,
    /// The most bytes that one layer may decompress to. Default: 64 GiB.
    pub layer_bytes: u64,
    /// The largest window that zstd data may ask for: this much memory per open layer. Default: 32
    /// MiB, which covers `zstd -20` and every level of the encoder in `BuildKit` and skopeo;
    /// rounded down to a power of two.
    pub zstd_window_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 32 << 30,
            expansion_ratio: 200,
            expansion_allowance: 1 << 30,
            layer_bytes: 64 << 30,
            zstd_window_bytes: 32 << 20,
        }
    }
}

/// A number of bytes for an error message, in the largest unit that needs no fraction.
pub(crate) fn show_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS
        .iter()
        .find(|(_, shift)| bytes != 0 && bytes.trailing_zeros() >= *shift)
    {
        Some((unit, shift)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_their_unit() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1000, "1000 bytes"),
            (1 << 10, "1 KiB"),
            (3 << 19, "1536 KiB"),
            (32 << 20, "32 MiB"),
            (32 << 30, "32 GiB"),
        ] {
            assert_eq!(show_bytes(bytes), text);
        }
    }
}
