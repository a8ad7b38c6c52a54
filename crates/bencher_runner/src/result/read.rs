//! Result documents out of files, those of earlier versions included.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::error::Category;
use thiserror::Error;

use super::{Iteration, ResultDocument, VERSION};

/// Iterations without what their commands wrote, which is dropped while they are read: the memory
/// that they take does not grow with it.
#[derive(Debug, Clone, Default)]
pub struct Iterations(pub Vec<Iteration>);

/// Why a file is no result.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It can not be read.
    #[error("failed to read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is no result document.
    #[error("{} is no result document of this runner: {source}; `runner run --result FILE` writes one", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// It ends in the middle.
    #[error(
        "{} ends before the result does: it was cut off while it was written or copied; copy it again, or \
         run the benchmark again", path.display()
    )]
    Cut {
        /// The file.
        path: PathBuf,
    },
    /// It is another document of the runner's.
    #[error(
        "{} is a comparison and no result: `runner compare --output-dir DIR` keeps the results of what it \
         runs", path.display()
    )]
    Comparison {
        /// The file.
        path: PathBuf,
    },
    /// A newer runner made it.
    #[error(
        "{} has the layout {version}, this runner knows those up to {VERSION}: use the runner that made \
         it, or a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its layout.
        version: u32,
    },
    /// It is larger than any result.
    #[error("{} has more than {MOST} bytes, which no result document needs", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// The most bytes of a document: 4 GiB.
const MOST: u64 = 4 << 30;

/// Whether `path` is meant as a result and not as an image: a file that begins as JSON does or is called
/// so, there or not, or an output folder. An image's file is an archive, its folder an OCI layout, and the
/// name of one in a registry does not end so.
pub fn is_result(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("result.json").is_file() && !path.join("oci-layout").exists();
    }
    let extension = path.extension();
    if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return true;
    }
    let mut first = [0; 64];
    let read = File::open(path).and_then(|mut file| file.read(&mut first));
    let found = first[..read.unwrap_or(0)].trim_ascii_start();
    path.is_file() && found.first() == Some(&b'{')
}

/// Reads the result document in the file `path`, or in the output folder `path`.
///
/// # Errors
///
/// When there is none that this runner can read.
pub fn read(path: &Path) -> Result<ResultDocument<Iterations>, ReadError> {
    let path = file_of(path);
    parse(&path, &load(&path)?)
}

/// The file of the document in the file or the output folder `path`.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("result.json")
    } else {
        path.to_owned()
    }
}

/// The text of the document in the file `path`.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let limited = file.take(MOST + 1);
    let mut text = Vec::new();
    BufReader::new(limited)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MOST {
        let path = path.to_owned();
        return Err(ReadError::TooLarge { path });
    }
    Ok(text)
}

/// Reads the result document `text`, which came out of `path`.
///
/// # Errors
///
/// When it is none that this runner can read.
pub fn parse(path: &Path, text: &[u8]) -> Result<ResultDocument<Iterations>, ReadError> {
    #[derive(Deserialize)]
    #[serde(expecting = "an object")]
    struct Head {
        version: u32,
        iterations: Option<IgnoredAny>,
        baseline: Option<IgnoredAny>,
    }
    let failed = |source: serde_json::Error| {
        let path = path.to_owned();
        match source.classify() {
            Category::Eof => ReadError::Cut { path },
            _ => ReadError::Parse { path, source },
        }
    };
    let head: Head = serde_json::from_slice(text).map_err(failed)?;
    if head.version > VERSION {
        return Err(ReadError::Newer {
            path: path.to_owned(),
            version: head.version,
        });
    }
    if head.baseline.is_some() {
        let path = path.to_owned();
        return Err(ReadError::Comparison { path });
    }
    if head.iterations.is_none() {
        return Err(failed(serde_json::Error::missing_field("iterations")));
    }
    serde_json::from_slice(text).map_err(failed)
}

impl Serialize for Iterations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Iterations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Stripping;
        impl<'de> Visitor<'de> for Stripping {
            type Value = Iterations;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of iterations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Iterations, A::Error> {
                let mut iterations = Vec::new();
                while let Some(mut iteration) = list.next_element::<Iteration>()? {
                    iteration.drop_contents();
                    iterations.push(iteration);
                }
                Ok(Iterations(iterations))
            }
        }
        deserializer.deserialize_seq(Stripping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document of the first layout, as `runner run --sandbox none --iter 2` wrote it when there was
    /// nothing else to read it with.
    const FIRST: &str = include_str!("../../tests/data/result-1.json");

    #[test]
    fn the_first_layout_stays_readable() {
        let document = parse(Path::new("result-1.json"), FIRST.as_bytes()).unwrap();
        assert_eq!(document.version, 1);
        let setup = document.setup.unwrap();
        assert_eq!(setup.image.platform, "linux/amd64");
        assert_eq!(document.iterations.0.len(), 2);
        let first = &document.iterations.0[0];
        assert!(first.counts());
        assert!(first.resources.as_ref().unwrap().wall_ns > 0);
        assert!(first.stdout.content.is_none(), "it is not kept");
        assert!(first.stdout.bytes > 0);
    }

    #[test]
    fn results_are_told_from_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("result.json"), " {\n").unwrap();
        std::fs::write(path("image.tar"), [0; 512]).unwrap();
        for (path, expected) in [
            (path("result.json"), true),
            (path("image.tar"), false),
            (path("none"), false),
            // It is not asked of a registry.
            (path("none.json"), true),
            (path(""), true),
        ] {
            assert_eq!(is_result(&path), expected, "{}", path.display());
        }
        std::fs::write(path("oci-layout"), "{}").unwrap();
        assert!(!is_result(folder.path()), "it is an image");
    }

    #[test]
    fn what_is_no_result_is_said_to_be_none() {
        for (text, expected) in [
            ("", "f ends before the result does"),
            (r#"{"version": 1, "iter"#, "f ends before the result does"),
            (
                r#"{"version": 1, "iterations": [{"index": 1}"#,
                "f ends before the result does",
            ),
            (
                r#"{"version": 1, "baseline": {}, "candidate": {}}"#,
                "f is a comparison and no result",
            ),
            (
                "[]",
                "f is no result document of this runner: invalid length 0, expected an object",
            ),
            ("{}", "missing field `version`"),
            (r#"{"version": 1}"#, "missing field `iterations`"),
            (
                r#"{"version": 1, "iterations": 3}"#,
                "f is no result document of this runner",
            ),
            (
                r#"{"version": 99, "iterations": [], "all": "else"}"#,
                "f has the layout 99, this runner knows those up to 1",
            ),
        ] {
            let error = parse(Path::new("f"), text.as_bytes()).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
        let error = read(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to read /no/such/file: No such file or directory (os error 2)"
        );
    }
}
