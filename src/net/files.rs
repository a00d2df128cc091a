//! Small files of the configuration: certificates, keys, passwords. Read anew for each client, so that rotation needs
//! no restart.
//!
//! Reads as the configuration's own check does, with its limit, and never puts a file's text into an error.

use std::path::Path;

use crate::config::cluster::{Credentials, PasswordSource};
use crate::config::files;
use ditto_values::secret::Secret;

/// A small file's bytes; the error names the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    files::read(path).map_err(|error| format!("{}: {error}", path.display()))
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
