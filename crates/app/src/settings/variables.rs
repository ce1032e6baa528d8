//! Variables of the process's environment and of the file `.env`, which is not loaded into the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The variables that are set and not blank.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

/// Reasons why variables cannot be read. No message contains a value.
#[derive(Debug, thiserror::Error)]
pub enum VariablesError {
    /// The file exists and cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        cause: io::Error,
    },
    /// A line of the file is not `NAME=value`.
    #[error("{}: line {line} is not NAME=value; put a value with spaces, quotes, # or $ in single quotes", path.display())]
    Malformed {
        /// The path of the file.
        path: PathBuf,
        /// The line number, from 1.
        line: usize,
    },
    /// A variable of the environment is not UTF-8.
    #[error("{variable}: is not UTF-8")]
    NotUtf8 {
        /// The name of the variable.
        variable: String,
    },
}

impl Variables {
    /// Reads the variables of these names from the process's environment and from the file `dotenv`, which may be missing.
    ///
    /// # Errors
    /// [`VariablesError`] if the file is malformed or cannot be read, or a variable is not UTF-8.
    pub fn load(names: &[String], dotenv: &Path) -> Result<Self, VariablesError> {
        let text = match fs::read_to_string(dotenv) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(cause) => return Err(VariablesError::Unreadable { path: dotenv.to_owned(), cause }),
        };
        Self::merge(names, |name| env::var_os(name), dotenv, &text)
    }

    /// Takes each variable from `environment`, or else from the file's `text`. A blank value counts as unset.
    pub(super) fn merge(
        names: &[String],
        environment: impl Fn(&str) -> Option<OsString>,
        path: &Path,
        text: &str,
    ) -> Result<Self, VariablesError> {
        let file = parse(path, text)?;
        let mut found = Vec::new();
        for name in names {
            let value = match environment(name).filter(|value| !value.is_empty()) {
                Some(value) => {
                    value.into_string().map_err(|_value| VariablesError::NotUtf8 { variable: name.clone() })?
                }
                None => file.get(name).cloned().unwrap_or_default(),
            };
            found.push((name.clone(), value));
        }
        Ok(found.into_iter().collect())
    }

    /// The value of a variable that is set and not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(variables.filter(|(_, value)| !value.trim().is_empty()).collect())
    }
}

/// Parses a file's text. Of two lines with the same name the first wins, as in other implementations of the format.
fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, VariablesError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = BTreeMap::new();
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = line.map_err(|error| without_content(path, text, error))?;
        found.entry(name).or_insert(value);
    }
    Ok(found)
}

/// Converts the library's error, whose message contains the line and so possibly a secret.
fn without_content(path: &Path, text: &str, error: dotenvy::Error) -> VariablesError {
    let path = path.to_owned();
    match error {
        dotenvy::Error::LineParse(quoted, _) => {
            let before = text.find(quoted.trim_end()).unwrap_or_default();
            VariablesError::Malformed { path, line: text[..before].matches('\n').count() + 1 }
        }
        dotenvy::Error::Io(cause) => VariablesError::Unreadable { path, cause },
        other => VariablesError::Unreadable { path, cause: io::Error::other(other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(environment: &[(&str, &str)], file: &str) -> Result<Variables, VariablesError> {
        let names = ["PORT", "HOST", "JWT_SECRET"].map(str::to_owned);
        let lookup = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value.to_owned()))
        };
        Variables::merge(&names, lookup, Path::new(".env"), file)
    }

    #[test]
    fn the_environment_wins_over_the_file_unless_it_is_empty() {
        let file = "PORT=1\nHOST=file\n";
        let variables = merge(&[("PORT", "2"), ("HOST", "")], file).unwrap();
        assert_eq!((variables.get("PORT"), variables.get("HOST")), (Some("2"), Some("file")));
    }

    #[test]
    fn a_variable_that_is_blank_everywhere_is_unset() {
        let variables = merge(&[("PORT", "")], "PORT=\nHOST=''\n").unwrap();
        assert_eq!((variables.get("PORT"), variables.get("HOST")), (None, None));
    }

    #[test]
    fn a_file_may_contain_comments_quotes_exports_and_a_byte_order_mark() {
        let variables =
            merge(&[], "\u{feff}PORT=1 # why\n\n# no\nexport HOST=\"a b\"\nJWT_SECRET='a$b#c'\nPORT=2").unwrap();
        assert_eq!(
            ["PORT", "HOST", "JWT_SECRET"].map(|name| variables.get(name)),
            [Some("1"), Some("a b"), Some("a$b#c")]
        );
    }

    #[test]
    fn variables_that_are_not_settings_are_ignored() {
        assert_eq!(merge(&[("PATH", "/bin")], "OTHER=1").unwrap().get("OTHER"), None);
    }

    #[test]
    fn a_malformed_line_is_reported_by_its_number_without_its_content() {
        for malformed in
            ["PORT=1\n\nJWT_SECRET hunter2\n", "A=1\nB=2\nJWT_SECRET='hunter2\n", "A=1\nB=2\nJWT_SECRET=hunter2 x y"]
        {
            let error = merge(&[], malformed).err().unwrap();
            let message = format!("{error} {error:?}");
            assert!(message.contains(".env: line 3 is not NAME=value") && !message.contains("hunter2"), "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt as _;
        let lookup = |_: &str| Some(OsString::from_vec(vec![b'h', 0xff]));
        let error = Variables::merge(&["PORT".to_owned()], lookup, Path::new(".env"), "").err().unwrap();
        assert_eq!(error.to_string(), "PORT: is not UTF-8");
    }

    #[test]
    fn the_file_may_be_missing_but_must_not_be_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Variables::load(&[], &directory.path().join(".env")).is_ok());
        let error = Variables::load(&[], directory.path()).err().unwrap();
        assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
    }
}
