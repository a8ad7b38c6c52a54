//! Platforms: which of an image's variants runs here.

use std::fmt;
use std::str::FromStr;

use crate::Excerpt;

/// An operating system and a CPU architecture, named as Go and the OCI image index name them.
///
/// Names are normalised when a platform is made: `x86_64` is `amd64`, `aarch64` is `arm64`, and a
/// variant that is the architecture's base line (`amd64/v1`, `arm64/v8`) is none at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Why a text is not a [`Platform`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/amd64"
)]
pub struct PlatformError(Excerpt);

impl Platform {
    /// A platform of these names, normalised. An empty variant is none.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, implied) = match architecture {
            "x86_64" | "x86-64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            "i386" | "i686" => ("386", None),
            other => (other, None),
        };
        let variant = variant.filter(|variant| !variant.is_empty()).or(implied);
        let variant = match (architecture, variant) {
            ("amd64", Some("v1")) | ("arm64", Some("v8" | "8")) => None,
            ("arm", None) => Some("v7"),
            (_, variant) => variant,
        };
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Linux on the CPU architecture that this program was built for.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// The operating system: `linux`.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The CPU architecture: `amd64`, `arm64`, …
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The CPU variant where it is not the architecture's base line: `v3`, …
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// How well something made for `offered` runs on this platform: `None` is not at all, and a
    /// greater suitability is better.
    ///
    /// Variants are levels: a program for a lower level runs on a higher one, so of the levels up
    /// to this platform's the highest is the best. A variant that is not a level (`vN` or `vN.M`)
    /// suits only itself.
    pub(crate) fn suitability(&self, offered: &Self) -> Option<Suitability> {
        if (&self.os, &self.architecture) != (&offered.os, &offered.architecture) {
            return None;
        }
        if self.variant == offered.variant {
            return Some(Suitability(u32::MAX, 0));
        }
        let offered = offered.level()?;
        (offered <= self.level()?).then_some(offered)
    }

    fn level(&self) -> Option<Suitability> {
        let Some(variant) = self.variant.as_deref() else {
            let base = match self.architecture.as_str() {
                "arm64" => 8,
                _ => 1,
            };
            return Some(Suitability(base, 0));
        };
        let digits = variant.strip_prefix('v')?;
        let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
        Some(Suitability(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// See [`Platform::suitability`]: a CPU level, greater is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suitability(u32, u32);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let mut parts = text.split('/');
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        match (os, architecture, parts.next()) {
            (Some(os), Some(architecture), None)
                if !os.is_empty() && !architecture.is_empty() && variant != Some("") =>
            {
                Ok(Self::new(os, architecture, variant))
            }
            _ => Err(PlatformError(Excerpt::new(text))),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_normalised() {
        for (text, normal) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), normal);
        }
        assert_eq!(
            Platform::new("linux", "amd64", Some("")).to_string(),
            "linux/amd64"
        );
    }

    #[test]
    fn bad_platforms() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/",
            "linux/arm/v7/x",
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap_err().to_string(),
                format!(
                    "`{text}` is not a platform: expected OS/ARCHITECTURE or \
                     OS/ARCHITECTURE/VARIANT, such as linux/amd64"
                ),
            );
        }
    }

    #[test]
    fn the_best_variant_is_the_highest_that_runs() {
        // Wanted, offered, and the position of the best offer.
        let cases: [(&str, &[&str], Option<usize>); 9] = [
            ("linux/amd64", &["linux/arm64", "linux/amd64"], Some(1)),
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64"], Some(1)),
            ("linux/amd64", &["linux/amd64/v3"], None),
            (
                "linux/amd64/v3",
                &["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"],
                Some(1),
            ),
            ("linux/arm/v6", &["linux/arm/v7", "linux/arm/v5"], Some(1)),
            (
                "linux/arm64",
                &["linux/arm64/v9", "linux/arm64/v8"],
                Some(1),
            ),
            (
                "linux/arm64/v8.2",
                &["linux/arm64", "linux/arm64/v8.1"],
                Some(1),
            ),
            ("linux/mips/odd", &["linux/mips", "linux/mips/odd"], Some(1)),
            ("linux/amd64", &["windows/amd64", "linux/386"], None),
        ];
        for (wanted, offers, best) in cases {
            let wanted = platform(wanted);
            let found = (0..offers.len())
                .filter(|&at| wanted.suitability(&platform(offers[at])).is_some())
                .max_by_key(|&at| wanted.suitability(&platform(offers[at])));
            assert_eq!(found, best, "{wanted} of {offers:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(text in "[a-z0-9]{1,8}/[a-z0-9_]{1,8}(/[a-z0-9.]{1,6})?") {
            let parsed = platform(&text);
            prop_assert_eq!(platform(&parsed.to_string()), parsed);
        }
    }
}
