//! What is taken out of a text.

use std::borrow::Cow;

use super::names::Names;
use super::shapes::Shapes;

/// The rules, ready for use. Their cost is linear in the length of a text.
pub(in crate::telemetry) struct Rules {
    shapes: Shapes,
    pub(super) names: Names,
}

impl Rules {
    /// # Errors
    /// None that can be helped: the patterns are ours.
    pub(in crate::telemetry) fn new() -> Result<Self, regex::Error> {
        Ok(Self { shapes: Shapes::new()?, names: Names::new()? })
    }

    /// A text without secrets.
    pub(in crate::telemetry) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.shapes.redact(text) {
            Cow::Borrowed(text) => self.names.redact(text),
            Cow::Owned(text) => Cow::Owned(self.names.redact(&text).into_owned()),
        }
    }
}
