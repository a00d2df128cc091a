//! Judges the files that a configuration names: password files, CA and client certificates.
//!
//! They are read again for each new client, by the same function; this only sees to it that what is wrong is reported at
//! start. Never keeps or shows what they hold.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use ditto_values::problem::{Collector, Origin};

/// No configuration, password or bundle of certificates is larger: all public authorities take some 250 kB.
const LARGEST: u64 = 1 << 20;

/// A file that a key names.
#[derive(Debug)]
pub(crate) struct NamedFile {
    pub(crate) origin: Origin,
    /// Dotted path of the key.
    pub(crate) key: String,
    pub(crate) file: PathBuf,
    pub(crate) kind: FileKind,
    /// Given by the name of a credential.
    pub(crate) is_credential: bool,
    /// Not being able to read it is only worth a note here: the service sees it, whoever checks does not.
    pub(crate) may_be_unseen: bool,
}

/// What is found about files.
#[derive(Debug)]
pub(crate) struct Findings<'p> {
    /// What may be mended while ditto runs.
    pub(crate) unusable: &'p Collector,
    /// What is allowed and yet worth a word.
    pub(crate) notes: &'p Collector,
}

/// What a file must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Password,
    Certificates,
    PrivateKey,
}

/// Opens and judges each file.
pub(crate) fn judge(files: &[NamedFile], findings: &Findings<'_>) {
    for named in files {
        let shown = named.file.display();
        let add = |to: &Collector, text: String| to.add(&named.origin, named.key.as_str(), text);
        match read(&named.file) {
            Ok(content) => {
                if let Err(text) = judge_content(&content, named.kind) {
                    add(findings.unusable, format!("{shown} {text}"));
                }
                if named.kind != FileKind::Certificates && others_may_read(&named.file) {
                    let text = format!(
                        "{shown} holds a secret and can be read by everybody: chmod 0600, its owner ditto's user"
                    );
                    add(findings.notes, text);
                }
            }
            // A credential is not named in a message: what stands there may be the secret itself.
            Err(error) if named.may_be_unseen => {
                let text = format!(
                    "this credential cannot be seen from here ({error}); the service itself judges it"
                );
                add(findings.notes, text);
            }
            Err(_) if named.is_credential && !named.file.exists() => {
                let text = "there is no such credential in $CREDENTIALS_DIRECTORY: add LoadCredential=NAME:FILE to the \
                            unit, or give an absolute path";
                add(findings.unusable, text.to_owned());
            }
            Err(error) => add(
                findings.unusable,
                format!("{shown} cannot be read: {error}"),
            ),
        }
    }
}

/// Whether everybody on the machine may read a file.
pub(crate) fn others_may_read(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Reads a file of at most 1 MiB; a larger one, a directory or a device is an error in words.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let say = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    // A pipe or a device would block or never end.
    let metadata = std::fs::metadata(path).map_err(say)?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut content = Vec::new();
    let mut file = File::open(path).map_err(say)?.take(LARGEST + 1);
    file.read_to_end(&mut content).map_err(say)?;
    if content.len() as u64 > LARGEST {
        return Err("it is larger than 1 MiB".to_owned());
    }
    Ok(content)
}

fn judge_content(content: &[u8], kind: FileKind) -> Result<(), String> {
    match kind {
        FileKind::Password => {
            let text = std::str::from_utf8(content).map_err(|_| "is not UTF-8".to_owned())?;
            if text.lines().next().is_none_or(str::is_empty) {
                return Err("holds no password: expected one in its first line".to_owned());
            }
        }
        FileKind::Certificates => {
            let mut count = 0;
            for certificate in CertificateDer::pem_slice_iter(content) {
                certificate.map_err(|error| format!("is not PEM: {error}"))?;
                count += 1;
            }
            if count == 0 {
                return Err("holds no certificate: expected PEM (BEGIN CERTIFICATE)".to_owned());
            }
        }
        FileKind::PrivateKey => {
            PrivateKeyDer::from_pem_slice(content)
                .map_err(|_| "holds no private key: expected PEM (BEGIN PRIVATE KEY)".to_owned())?;
        }
    }
    Ok(())
}
