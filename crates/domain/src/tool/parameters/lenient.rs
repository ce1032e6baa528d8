//! Fields as models write them: another type or form than the schema's, but the same meaning.

use serde::de::value::StringDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Number;

/// A text, or a number in its place.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "expected a string")]
pub(super) enum Text {
    String(String),
    Number(Number),
}

impl Text {
    fn into_string(self) -> String {
        match self {
            Self::String(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }

    /// Returns the text without the fraction of a whole number: `2.0` is a position that was sent as a float.
    pub fn into_identifier(self) -> String {
        match self {
            Self::Number(number) if number.is_f64() => {
                let text = number.to_string();
                text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
            }
            other => other.into_string(),
        }
    }
}

/// A required text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Text::deserialize(deserializer)?.into_string())
}

/// An optional value made of a text, which is absent if the text is blank.
pub(super) fn text_or_none<'de, D: Deserializer<'de>, V: TryFrom<Text, Error = String>>(
    deserializer: D,
) -> Result<Option<V>, D::Error> {
    match Text::deserialize(deserializer)? {
        Text::String(text) if text.trim().is_empty() => Ok(None),
        text => text.try_into().map(Some).map_err(D::Error::custom),
    }
}

/// An optional word of an enumeration, in any case. It is absent if it is blank or says that it is.
pub(super) fn word_or_default<'de, D: Deserializer<'de>, W: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<W, D::Error> {
    let word = String::deserialize(deserializer)?.trim().to_lowercase();
    match word.as_str() {
        "" | "null" | "none" => Ok(W::default()),
        _ => W::deserialize(StringDeserializer::new(word)),
    }
}
