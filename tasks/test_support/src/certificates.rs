//! Certificates that nobody trusts but the test.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

/// The hosts that the certificate is for: loopback, and the one of Docker Hub.
const HOSTS: [&str; 2] = ["127.0.0.1", "registry-1.docker.io"];

/// Writes a CA (`ca.pem`), and a certificate of it with its key (`certificate.pem`, `key.pem`) into
/// `folder`.
///
/// # Errors
/// When one can not be made or written.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name = DistinguishedName::new();
    ca.distinguished_name
        .push(DnType::CommonName, "CA of a test");
    let ca_certificate = ca.self_signed(&ca_key)?;
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(HOSTS.map(str::to_owned))?;
    let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key))?;
    for (name, content) in [
        ("ca.pem", ca_certificate.pem()),
        ("certificate.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), content)?;
    }
    Ok(())
}
