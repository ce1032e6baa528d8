//! The source of the signing key: a setting, or, in development, a file that is generated once.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{JwtSecret, JwtSecretTooShort};
use rand::TryRng as _;
use rand::rngs::{SysError, SysRng};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::directory::create_private_directory;

/// The file of the generated key.
const GENERATED_SECRET_FILE: &str = "data/jwt-secret";

/// The source of the signing key.
#[derive(Clone, Debug)]
pub enum JwtSecretSource {
    /// `JWT_SECRET`.
    Configured(JwtSecret),
    /// This file, which is created when it is first used.
    Generated(PathBuf),
}

/// Reasons why the generated key cannot be read or created.
#[derive(Debug, thiserror::Error)]
pub enum GeneratedSecretError {
    /// The file or its directory cannot be read or written.
    #[error("{} cannot be read or created; make it accessible or set JWT_SECRET", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        cause: io::Error,
    },
    /// The file's content is too short.
    #[error("{} contains no valid key; delete it to generate another one", path.display())]
    TooShort {
        /// The path of the file.
        path: PathBuf,
        /// The minimum length, in words.
        #[source]
        cause: JwtSecretTooShort,
    },
    /// The operating system's random number generator failed.
    #[error("the operating system's random number generator failed")]
    Randomness(#[source] SysError),
}

impl Default for JwtSecretSource {
    fn default() -> Self {
        Self::Generated(PathBuf::from(GENERATED_SECRET_FILE))
    }
}

impl JwtSecretSource {
    /// Whether the key exists. Creates nothing.
    ///
    /// # Errors
    /// [`GeneratedSecretError`] if its file cannot be read or contains no valid key.
    pub fn exists(&self) -> Result<bool, GeneratedSecretError> {
        match self {
            Self::Configured(_) => Ok(true),
            Self::Generated(path) => Ok(read(path)?.is_some()),
        }
    }

    /// Returns the key, and creates its file if it is missing. Processes that do so at the same time get the same key.
    ///
    /// # Errors
    /// [`GeneratedSecretError`].
    pub fn obtain(&self) -> Result<JwtSecret, GeneratedSecretError> {
        match self {
            Self::Configured(secret) => Ok(secret.clone()),
            Self::Generated(path) => match read(path)? {
                Some(secret) => Ok(secret),
                None => generate(path),
            },
        }
    }
}

fn read(path: &Path) -> Result<Option<JwtSecret>, GeneratedSecretError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(GeneratedSecretError::File { path: path.to_owned(), cause }),
    };
    JwtSecret::new(SecretString::from(text.trim()))
        .map(Some)
        .map_err(|cause| GeneratedSecretError::TooShort { path: path.to_owned(), cause })
}

/// Writes a new key to a temporary file that only this user can read, and renames it unless the name exists by then, so
/// that the file is never incomplete.
fn generate(path: &Path) -> Result<JwtSecret, GeneratedSecretError> {
    let file = |cause| GeneratedSecretError::File { path: path.to_owned(), cause };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_private_directory(directory).map_err(file)?;

    let mut random = Zeroizing::new([0; 48]);
    SysRng.try_fill_bytes(random.as_mut_slice()).map_err(GeneratedSecretError::Randomness)?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));

    let mut written = tempfile::NamedTempFile::new_in(directory).map_err(file)?;
    writeln!(written, "{}", *text).and_then(|()| written.as_file().sync_all()).map_err(file)?;
    match written.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(file(error.error)),
    }
    read(path)?.ok_or_else(|| file(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use identity::JwtIssuer;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_key_is_generated_once_and_stored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/data/jwt-secret");
        let source = JwtSecretSource::Generated(path.clone());
        source.obtain().unwrap();
        let first = text(&path);
        assert_eq!(URL_SAFE_NO_PAD.decode(first.trim_end()).unwrap().len(), 48);
        source.obtain().unwrap();
        assert_eq!(text(&path), first);
        let other = directory.path().join("other");
        JwtSecretSource::Generated(other.clone()).obtain().unwrap();
        assert_ne!(text(&other), first);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/jwt-secret");
        JwtSecretSource::Generated(path.clone()).obtain().unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn concurrent_starts_get_the_same_key_and_leave_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt-secret");
        thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| signature(&generate(&path).unwrap()))).collect();
            let signatures: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]));
        });
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    /// A token that the key signs, because the key itself cannot be read.
    fn signature(secret: &JwtSecret) -> String {
        use domain::account::{AccessClaims, TokenIssuer as _};
        use secrecy::ExposeSecret as _;
        use std::sync::Arc;
        use uuid::Uuid;

        struct Nil;
        impl domain::runtime::IdGenerator for Nil {
            fn next(&self) -> Uuid {
                Uuid::nil()
            }
        }
        let issuer = JwtIssuer::new(secret, Arc::new(crate::runtime::SystemClock), Arc::new(Nil));
        let at = chrono::DateTime::UNIX_EPOCH;
        let (user, session) = (Uuid::nil().into(), Uuid::nil().into());
        let claims = AccessClaims { user, session, token_version: 0, issued_at: at, expires_at: at };
        issuer.issue(&claims).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn a_file_without_a_valid_key_is_named_and_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt-secret");
        fs::write(&path, "hunter2\n").unwrap();
        let error = JwtSecretSource::Generated(path.clone()).obtain().unwrap_err();
        let message = format!("{error} {error:?}");
        assert!(message.contains("jwt-secret contains no valid key") && !message.contains("hunter2"), "{message}");
        assert_eq!(text(&path), "hunter2\n");
    }

    #[test]
    fn a_file_that_cannot_be_created_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = JwtSecretSource::Generated(file.join("jwt-secret")).obtain().unwrap_err();
        assert!(matches!(&error, GeneratedSecretError::File { path, .. } if path.starts_with(&file)), "{error:?}");
    }
}
