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
    let (path, shown) = match source {
        PasswordSource::Text(secret) => return Ok(secret.clone()),
        PasswordSource::File(path) => (path, path.display().to_string()),
        PasswordSource::Credential(path) => {
            (path, "a credential in $CREDENTIALS_DIRECTORY".to_owned())
        }
    };
    let failed = |text: &str| format!("{shown}: {text}");
    let bytes = files::read(path).map_err(|error| failed(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text"))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(failed("the first line must hold the secret, and is empty"));
    }
    Ok(Secret::new(line))
}
