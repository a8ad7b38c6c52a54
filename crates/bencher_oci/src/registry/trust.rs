//! Which certificates are trusted.

use std::error::Error;
use std::path::Path;
use std::{fs, io};

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::RegistryErrorReason;

/// The largest file of certificates that is read.
const MAX_BYTES: u64 = 16 << 20;

/// The variables that name the host's certificates in the place of its own store.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What is trusted: what the host trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR` or the distribution's
/// store), and the certificates in `ca_file`; where there are none at all, Mozilla's list as of this
/// program's build.
///
/// # Errors
/// When a file that was named can not be used.
pub fn verified(ca_file: Option<&Path>) -> Result<TlsConfig, RegistryErrorReason> {
    let found = rustls_native_certs::load_native_certs();
    let named = VARIABLES.into_iter().find_map(std::env::var_os);
    if let (true, Some(error), Some(path)) = (found.certs.is_empty(), found.errors.first(), named) {
        return Err(unusable(Path::new(&path), error.to_string()));
    }
    let own = ca_file.map(read).transpose()?.unwrap_or_default();
    let roots = if found.certs.is_empty() && own.is_empty() {
        RootCerts::WebPki
    } else {
        // With a file of the user's, a host without certificates trusts that alone.
        let of_host = found
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned());
        RootCerts::from(of_host.chain(own).collect::<Vec<_>>().into_iter())
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

/// Whether a connection failed because what answered there does not speak TLS.
pub fn is_not_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) =
            error.downcast_ref()
        {
            return true;
        }
        // An error of input and output that holds another one says of its source what that one's is.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// Everything is trusted: for registries that the user calls insecure.
pub(super) fn unverified() -> TlsConfig {
    TlsConfig::builder().disable_verification(true).build()
}

fn read(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryErrorReason> {
    let unusable = |reason| unusable(path, reason);
    let size = fs::metadata(path)
        .map_err(|error| unusable(error.to_string()))?
        .len();
    if size > MAX_BYTES {
        return Err(unusable("it is too large".to_owned()));
    }
    let bytes = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&bytes) {
        match item.map_err(|error| unusable(error.to_string()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            _ => {
                return Err(unusable(
                    "it holds something else than certificates".to_owned(),
                ));
            }
        }
    }
    if certificates.is_empty() {
        return Err(unusable(
            "it holds no certificate: give a PEM file (`-----BEGIN CERTIFICATE-----`)".to_owned(),
        ));
    }
    Ok(certificates)
}

fn unusable(path: &Path, reason: String) -> RegistryErrorReason {
    RegistryErrorReason::Ca {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_no_tls_is_found_within_other_errors() {
        let is_not = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(is_not_tls(&is_not));
        let within = io::Error::new(io::ErrorKind::InvalidData, is_not);
        assert!(is_not_tls(&within));
        assert!(is_not_tls(&io::Error::other(within)));
        let other = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidCcs);
        assert!(!is_not_tls(&io::Error::other(other)));
        assert!(!is_not_tls(&io::Error::other("no")));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"not a certificate").unwrap();
        let error = verified(Some(file.path())).unwrap_err().to_string();
        assert!(
            error.contains("it holds no certificate: give a PEM file"),
            "{error}"
        );
        let error = verified(Some(Path::new("/nonexistent.pem"))).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
