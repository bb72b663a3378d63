//! An authority and a certificate per node, for a quick start. Who has an authority uses that.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes `authority.pem`, and `NAME.pem` and `NAME.key` for each name, into a folder that has none of them yet. The
/// authority's own key is kept nowhere: for one more node all are made anew.
pub fn make(folder: &Path, names: &[String]) -> Result<(), CertificatesError> {
    fs::create_dir_all(folder)?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "Paytone nodes");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    write(&folder.join("authority.pem"), &authority.pem(), 0o644)?;
    for name in names {
        let mut node = CertificateParams::new(vec![name.clone()])?;
        node.distinguished_name.push(DnType::CommonName, name);
        node.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        node.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = node.signed_by(&key, &authority)?;
        write(
            &folder.join(format!("{name}.pem")),
            &certificate.pem(),
            0o644,
        )?;
        write(
            &folder.join(format!("{name}.key")),
            &key.serialize_pem(),
            0o600,
        )?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())
}
