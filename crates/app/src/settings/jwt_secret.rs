//! Where the signing secret comes from: a setting, or, in development, a file that is made once and kept.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{JwtSecret, JwtSecretTooShort};
use rand::TryRng as _;
use rand::rngs::{SysError, SysRng};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::create_private_directory;

/// Where a secret is kept that nobody has set.
const GENERATED_SECRET_FILE: &str = "data/jwt-secret";

/// Where the signing secret comes from.
#[derive(Clone)]
pub enum JwtSecretSource {
    /// From the settings.
    Given(JwtSecret),
    /// From this file, which is made when it is first wanted.
    Generated(PathBuf),
}

/// Why the kept secret cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeptSecretError {
    /// The file or its directory cannot be read or written.
    #[error("{} cannot be read or made; set JWT_SECRET to do without it", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file holds too short a secret.
    #[error("{} holds no secret; delete it to have another one made", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: JwtSecretTooShort,
    },
    /// The operating system has no randomness.
    #[error("no randomness is to be had from the operating system")]
    Randomness(#[source] SysError),
}

impl JwtSecretSource {
    pub(super) fn kept() -> Self {
        Self::Generated(PathBuf::from(GENERATED_SECRET_FILE))
    }

    /// The secret. If it is kept in a file that is not there, both are made; of several processes that do so at once
    /// one wins, and all get the same secret.
    ///
    /// # Errors
    /// [`KeptSecretError`].
    pub fn obtain(&self) -> Result<JwtSecret, KeptSecretError> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::Generated(path) => match read(path)? {
                Some(secret) => Ok(secret),
                None => make(path),
            },
        }
    }
}

impl fmt::Debug for JwtSecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given([REDACTED])"),
            Self::Generated(path) => f.debug_tuple("Generated").field(path).finish(),
        }
    }
}

fn read(path: &Path) -> Result<Option<JwtSecret>, KeptSecretError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(KeptSecretError::File { path: path.to_owned(), cause }),
    };
    JwtSecret::new(SecretString::from(text.trim()))
        .map(Some)
        .map_err(|cause| KeptSecretError::TooShort { path: path.to_owned(), cause })
}

/// Writes a new secret to a file of its own, which only this user can read, and then gives it its name, if nobody
/// else has taken that: the name never stands for half a secret.
fn make(path: &Path) -> Result<JwtSecret, KeptSecretError> {
    let file = |cause| KeptSecretError::File { path: path.to_owned(), cause };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_private_directory(directory).map_err(file)?;

    let mut random = Zeroizing::new([0; 48]);
    SysRng.try_fill_bytes(random.as_mut_slice()).map_err(KeptSecretError::Randomness)?;
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
    fn a_secret_is_made_once_and_kept() {
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
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/jwt-secret");
        JwtSecretSource::Generated(path.clone()).obtain().unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn processes_that_start_at_once_get_the_same_secret_and_leave_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt-secret");
        thread::scope(|scope| {
            let makers: Vec<_> = (0..16).map(|_| scope.spawn(|| signature(&make(&path).unwrap()))).collect();
            let signatures: Vec<String> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
            assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]));
        });
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    /// What a secret signs is all that can be seen of it.
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
    fn a_file_that_holds_no_secret_is_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt-secret");
        fs::write(&path, "hunter2\n").unwrap();
        let error = JwtSecretSource::Generated(path.clone()).obtain().unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("jwt-secret holds no secret") && !told.contains("hunter2"), "{told}");
        assert_eq!(text(&path), "hunter2\n");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = JwtSecretSource::Generated(file.join("jwt-secret")).obtain().unwrap_err();
        assert!(matches!(&error, KeptSecretError::File { path, .. } if path.starts_with(&file)), "{error:?}");
    }
}
