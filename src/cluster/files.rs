//! Small files of the configuration: certificates, keys, passwords. Read anew for each client, so that rotation needs
//! no restart.
//!
//! Never reads more than a certificate bundle can sensibly hold, and never puts a file's text into an error.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::cluster::{Credentials, PasswordSource};
use crate::config::secret::Secret;

/// A bundle of all public authorities has some 250 kB.
const LARGEST: u64 = 4 << 20;

/// A small file's bytes; the error names the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{}: larger than {LARGEST} bytes", path.display()));
    }
    Ok(bytes)
}

/// The password as it is now.
pub(crate) fn password(credentials: &Credentials) -> Result<Secret, String> {
    secret(&credentials.password)
}

/// A secret as it is now: of a file the first line.
pub(crate) fn secret(source: &PasswordSource) -> Result<Secret, String> {
    let path = match source {
        PasswordSource::Text(secret) => return Ok(secret.clone()),
        PasswordSource::File(path) => path,
    };
    let text = String::from_utf8(read(path)?)
        .map_err(|_| format!("{}: is not UTF-8 text", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(format!(
            "{}: the first line must hold the secret, and is empty",
            path.display()
        ));
    }
    Ok(Secret::new(line))
}
