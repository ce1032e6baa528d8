//! Changes of single fields.

/// A change of one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Keeps the value.
    #[default]
    Keep,
    /// Sets this value.
    Set(T),
    /// Removes the value. Has no effect on a field that cannot be empty.
    Clear,
}

impl<T> Patch<T> {
    /// Returns the new value, if the patch sets one.
    pub fn as_set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// Absent is [`Patch::Keep`], present is [`Patch::Set`].
impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}
