//! Whose certificates a server may have.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::UpError;

/// What is trusted: what this host trusts, and the certificates of `ca_file`.
///
/// # Errors
///
/// [`UpError::Certificates`] when the file has none, or the host's can not be used.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, UpError> {
    let mut roots = RootCertStore::empty();
    // What of the host's own can not be read is as if it was not there: nothing is trusted for it.
    for certificate in rustls_native_certs::load_native_certs().certs {
        let _unusable = roots.add(certificate);
    }
    if let Some(path) = ca_file {
        let failed = |reason: String| UpError::Certificates {
            path: path.to_owned(),
            reason,
        };
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        let mut count = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| failed(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(failed(
                "it holds no certificate: give a PEM file (`-----BEGIN CERTIFICATE-----`)"
                    .to_owned(),
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| UpError::Start(std::io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        client_config(None).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"nothing").unwrap();
        let error = client_config(Some(file.path())).unwrap_err().to_string();
        assert!(error.contains("it holds no certificate"), "{error}");
        let error = client_config(Some(Path::new("/nonexistent.pem")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent.pem"), "{error}");
    }
}
