//! The problems that are found with the settings.

use std::fmt;

use super::value::ValueError;

/// The problems with the settings, one per line. Each begins with the variable's name; none contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Collects problems, so that all of them are reported at once.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// Returns the value, or adds the problem.
    pub(super) fn check<T>(&mut self, variable: &str, value: Result<T, ValueError>) -> Option<T> {
        value.map_err(|error| self.0.push(format!("{variable}: {error}"))).ok()
    }

    /// Returns the value if it is present, or adds the problem that the variable is required.
    pub(super) fn require<T>(&mut self, variable: &str, value: Option<T>, when: &str) -> Option<T> {
        if value.is_none() {
            self.0.push(format!("{variable} is required {when}"));
        }
        value
    }

    /// Returns the settings if there was no problem.
    pub(super) fn finish<T>(self, settings: Option<T>) -> Result<T, SettingsError> {
        settings.filter(|_| self.0.is_empty()).ok_or(SettingsError(self.0))
    }
}
