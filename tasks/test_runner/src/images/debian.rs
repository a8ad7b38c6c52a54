//! A realistic image: Debian with a C compiler and Python, made of this machine's own packages.

use std::path::Path;

use serde_json::json;

use super::apt::Distribution;
use super::layer::LayerWriter;
use super::layout::{self, ARCHITECTURE};
use super::packages;
use super::recipe::Recipe;
use super::split::split;

/// What is installed on top of the essential packages.
const PACKAGES: &str = "gcc,libc6-dev,python3";

/// The benchmark's own files, the uppermost layer.
const FILES: [(&str, u32, &str); 3] = [
    (
        "benchmark/run",
        0o755,
        include_str!("../../images/debian/run"),
    ),
    (
        "benchmark/work.c",
        0o644,
        include_str!("../../images/debian/work.c"),
    ),
    (
        "benchmark/collect.py",
        0o644,
        include_str!("../../images/debian/collect.py"),
    ),
];

/// The layers below it, and what makes a path belong to the second and the third.
const LAYERS: [&str; 3] = ["base", "toolchain", "python"];
const TOOLCHAIN: [&str; 4] = [
    "usr/lib/gcc",
    "usr/libexec/gcc",
    "usr/include",
    "usr/bin/x86_64-linux-gnu-",
];
const PYTHON: [&str; 3] = ["usr/lib/python3", "usr/bin/python3", "usr/share/python3"];

/// The file that the benchmark writes and that the harness collects.
pub(crate) const OUTPUT: &str = "/benchmark/results.json";

/// The recipe.
#[derive(Debug)]
pub(crate) struct Debian {
    distribution: Distribution,
}

impl Debian {
    /// The recipe for this machine's distribution.
    ///
    /// # Errors
    ///
    /// When the machine has no sources of Debian packages.
    pub(crate) fn here() -> anyhow::Result<Self> {
        Ok(Self {
            distribution: Distribution::here()?,
        })
    }
}

/// The index in [`LAYERS`] of the layer that `path` belongs to.
fn layer_of(path: &str) -> usize {
    let among = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    if among(&TOOLCHAIN) {
        1
    } else if among(&PYTHON) {
        2
    } else {
        0
    }
}

impl Recipe for Debian {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![
            format!("debian {} {ARCHITECTURE}", self.distribution.codename).into_bytes(),
            PACKAGES.into(),
            LAYERS.join(" ").into_bytes(),
            TOOLCHAIN.join(" ").into_bytes(),
            PYTHON.join(" ").into_bytes(),
        ];
        for (path, mode, contents) in FILES {
            parts.push(format!("{path} {mode}").into_bytes());
            parts.push(contents.into());
        }
        parts
    }

    fn summary(&self) -> String {
        format!(
            "installing {} into a fresh {} with mmdebstrap",
            PACKAGES.replace(',', ", "),
            self.distribution.codename
        )
    }

    fn build(&self, layout: &Path) -> anyhow::Result<()> {
        let mut writers = LAYERS
            .iter()
            .map(|name| LayerWriter::create(layout, name))
            .collect::<anyhow::Result<Vec<_>>>()?;
        packages::install(
            &self.distribution,
            PACKAGES,
            &[],
            &layout.with_extension("work"),
            |tar| split(tar, &mut writers, layer_of),
        )?;

        let mut benchmark = LayerWriter::create(layout, "benchmark")?;
        benchmark.folder("benchmark", 0o755)?;
        for (path, mode, contents) in FILES {
            benchmark.file(path, mode, contents.as_bytes())?;
        }
        writers.push(benchmark);
        let layers = writers
            .into_iter()
            .map(LayerWriter::finish)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        layout::write(
            layout,
            &layers,
            &json!({"Env": [path], "WorkingDir": "/benchmark", "Cmd": ["/benchmark/run"]}),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_to_their_layers() {
        for (path, layer) in [
            ("", "base"),
            ("usr/bin/perl", "base"),
            ("usr/lib/gcc", "toolchain"),
            ("usr/lib/gcc/x86_64-linux-gnu/12/cc1", "toolchain"),
            ("usr/include/stdio.h", "toolchain"),
            ("usr/bin/python3.11", "python"),
            ("usr/lib/python3.11/json/decoder.py", "python"),
            ("var/lib/dpkg/status", "base"),
        ] {
            assert_eq!(LAYERS[layer_of(path)], layer, "{path}");
        }
    }
}
