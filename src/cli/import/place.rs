//! Puts an import's files where they belong: written beside, checked there, then renamed, so that each is there whole or
//! not at all.
//!
//! A secret's file is of mode 0600 from its first moment. Never leaves its folder of work behind.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::config::load::{Environment, load};
use ditto_import::{Imported, Sources, import};
use ditto_values::problem::Problems;

/// The name of the service's user, as `systemd/ditto.sysusers` makes it.
const USER: &str = "ditto";

/// Numbers of the service's user and its group.
#[derive(Debug)]
pub(super) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// `None` if this machine has no such user.
    pub(super) fn of_the_service() -> Option<Self> {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(USER))?;
        let mut numbers = line.split(':').skip(2);
        Some(Self {
            user: numbers.next()?.parse().ok()?,
            group: numbers.next()?.parse().ok()?,
        })
    }
}

/// The whole path of a file that need not be there; its folder must be.
pub(super) fn absolute(file: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = file.file_name() else {
        bail!("{} is no file's name: give --output FILE", file.display());
    };
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = folder
        .canonicalize()
        .with_context(|| format!("failed to find the folder {}", folder.display()))?;
    Ok(folder.join(name))
}

pub(super) fn refuse_to_replace<'a>(
    files: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    for file in files {
        if file.symlink_metadata().is_ok() {
            bail!(
                "{} is there already: give another --output, or --force to replace it",
                file.display()
            );
        }
    }
    Ok(())
}

/// A folder for nobody else, gone when dropped.
#[derive(Debug)]
pub(super) struct Staging(PathBuf);

impl Staging {
    pub(super) fn new(beside: &Path) -> anyhow::Result<Self> {
        let folder = beside.join(format!(".ditto-import-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("failed to make the folder {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// Would the daemon take what is made of these sources?
    pub(super) fn check(&self, sources: &Sources) -> anyhow::Result<Result<(), Problems>> {
        let folder = self.0.join("check");
        std::fs::create_dir(&folder)
            .with_context(|| format!("failed to make the folder {}", folder.display()))?;
        let trial = match import(sources, &folder) {
            Ok(trial) => trial,
            Err(problems) => return Ok(Err(problems)),
        };
        for one in &trial.secrets {
            write(&one.file, one.secret.reveal(), 0o600)?;
        }
        let file = folder.join("ditto.toml");
        write(&file, &trial.configuration, 0o600)?;
        Ok(match load(&file, &Environment::default()) {
            Ok(loaded) if loaded.files.is_empty() => Ok(()),
            Ok(loaded) => Err(Problems(loaded.files)),
            Err(problems) => Err(problems),
        })
    }

    /// Puts the files in their places, secrets first. True if they could be given to the service's user.
    pub(super) fn publish(
        &self,
        imported: &Imported,
        output: &Path,
        owner: Option<&Owner>,
    ) -> anyhow::Result<bool> {
        let mut is_given = owner.is_some();
        for one in &imported.secrets {
            let staged = self.0.join("secret");
            write(&staged, one.secret.reveal(), 0o600)?;
            is_given &= owner
                .is_some_and(|owner| chown(&staged, Some(owner.user), Some(owner.group)).is_ok());
            keep_former(&one.file)?;
            rename(&staged, &one.file)?;
        }
        let staged = self.0.join("configuration");
        // Root's, and the service's to read, as the package has it.
        write(&staged, &imported.configuration, 0o640)?;
        if let Some(owner) = owner {
            is_given &= chown(&staged, None, Some(owner.group)).is_ok();
        }
        keep_former(output)?;
        rename(&staged, output)?;
        Ok(is_given)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // There is nobody left to tell, and nothing in it that is not also in the input.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn write(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let failed = || format!("failed to write {}", file.display());
    let mut opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .with_context(failed)?;
    opened.write_all(text.as_bytes()).with_context(failed)?;
    // The process's mask may have taken bits that the service needs.
    opened
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .with_context(failed)?;
    opened.sync_all().with_context(failed)
}

/// What is to be replaced stays as FILE.old, with its owner and mode.
fn keep_former(file: &Path) -> anyhow::Result<()> {
    if file.symlink_metadata().is_err() {
        return Ok(());
    }
    rename(file, &file.with_added_extension("old"))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::rename(from, to).with_context(|| format!("failed to put {} in place", to.display()))
}
