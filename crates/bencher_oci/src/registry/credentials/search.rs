//! Looking through the files of Docker and Podman.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::auth_file::{self, Found};
use super::{AuthFileError, Credentials, HelperError, helper};
use crate::Cancellation;
use crate::registry::RegistryReference;

/// The largest file that is read.
const MAX_BYTES: u64 = 4 << 20;
/// How long a helper may think: it may ask the user to unlock something.
const HELPER_LIMIT: Duration = Duration::from_mins(1);

/// Where credentials are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthFiles {
    /// The files in the order in which they are asked; those that do not exist are passed over.
    pub paths: Vec<PathBuf>,
}

/// Why a file or a helper that should have credentials is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file is there and cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is of no use.
    #[error("{} {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: AuthFileError,
    },
    /// The helper that a file names is of no use.
    #[error("{}: {error}", path.display())]
    Helper {
        /// The file.
        path: PathBuf,
        /// Why.
        error: HelperError,
    },
}

impl AuthFiles {
    /// The files of this user, as the environment says.
    pub fn from_env() -> Self {
        Self::from_variables(|name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        })
    }

    fn from_variables(get: impl Fn(&str) -> Option<PathBuf>) -> Self {
        const OF_PODMAN: &str = "containers/auth.json";
        let home = get("HOME");
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let docker = get("DOCKER_CONFIG").map(|folder| folder.join("config.json"));
        let of_docker = match docker {
            Some(_) => None,
            None => in_home(".docker/config.json"),
        };
        let config = get("XDG_CONFIG_HOME").or_else(|| in_home(".config"));
        let paths = [
            get("REGISTRY_AUTH_FILE"),
            docker,
            get("XDG_RUNTIME_DIR").map(|folder| folder.join(OF_PODMAN)),
            config.map(|folder| folder.join(OF_PODMAN)),
            of_docker,
        ];
        Self {
            paths: paths.into_iter().flatten().collect(),
        }
    }

    /// The credentials for the registry of `image`. A helper is waited for until `cancellation` ends
    /// that.
    ///
    /// # Errors
    /// A [`CredentialError`]: the first file that there is for the registry is of no use.
    pub fn find(
        &self,
        image: &RegistryReference,
        cancellation: &Cancellation,
    ) -> Result<Credentials, CredentialError> {
        for path in &self.paths {
            let Some(bytes) = read(path)? else { continue };
            let found = auth_file::find(&bytes, image).map_err(|error| CredentialError::File {
                path: path.clone(),
                error,
            })?;
            match found {
                None => {}
                Some(Found::Credentials(credentials)) => return Ok(credentials),
                Some(Found::Helper { name, server }) => {
                    let answer = helper::ask(&name, &server, HELPER_LIMIT, cancellation);
                    let answer = answer.map_err(|error| CredentialError::Helper {
                        path: path.clone(),
                        error,
                    })?;
                    if let Some(credentials) = answer {
                        return Ok(credentials);
                    }
                }
            }
        }
        Ok(Credentials::Anonymous)
    }
}

/// The content of a file, if there is one.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, CredentialError> {
    let read = || {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(CredentialError::Read {
            path: path.to_owned(),
            error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::registry::Secret;

    #[test]
    fn files_in_their_order() {
        let paths = |variables: &[(&str, &str)]| {
            let files = AuthFiles::from_variables(|name| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| PathBuf::from(value))
            });
            let shown = files.paths.iter().map(|path| path.display().to_string());
            shown.collect::<Vec<_>>()
        };
        assert_eq!(paths(&[]), Vec::<String>::new());
        assert_eq!(
            paths(&[("HOME", "/h")]),
            ["/h/.config/containers/auth.json", "/h/.docker/config.json"],
        );
        assert_eq!(
            paths(&[
                ("HOME", "/h"),
                ("XDG_CONFIG_HOME", "/c"),
                ("XDG_RUNTIME_DIR", "/r"),
                ("DOCKER_CONFIG", "/d"),
                ("REGISTRY_AUTH_FILE", "/f"),
            ]),
            [
                "/f",
                "/d/config.json",
                "/r/containers/auth.json",
                "/c/containers/auth.json",
            ],
        );
    }

    #[test]
    fn the_first_file_that_knows_the_registry_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let entry = |host: &str, user: &str| {
            format!(r#"{{"auths":{{"{host}":{{"username":"{user}","password":"p"}}}}}}"#)
        };
        fs::write(path("1"), entry("other.io", "x")).unwrap();
        fs::write(path("2"), entry("a.io", "second")).unwrap();
        fs::write(path("3"), entry("a.io", "third")).unwrap();
        let files = AuthFiles {
            paths: ["0", "1", "2", "3"].map(path).to_vec(),
        };
        let find = |image: &str| {
            files
                .find(&image.parse().unwrap(), &Cancellation::default())
                .unwrap()
        };
        assert_eq!(
            find("a.io/r"),
            Credentials::Password {
                username: "second".to_owned(),
                password: Secret::new("p"),
            },
        );
        assert_eq!(find("b.io/r"), Credentials::Anonymous);
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, r#"{"auths": my-secret}"#).unwrap();
        let files = AuthFiles {
            paths: vec![path.clone()],
        };
        assert_eq!(
            files
                .find(&"a.io/r".parse().unwrap(), &Cancellation::default())
                .unwrap_err()
                .to_string(),
            format!(
                "{} is not a valid configuration of Docker or Podman (line 1)",
                path.display()
            ),
        );
    }
}
