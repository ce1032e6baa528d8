//! The client of a session, as shown to its owner.

use std::net::IpAddr;

use crate::text::is_blank;

/// The client of a request. For display only, because it is not authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The `User-Agent`.
    pub device: Option<Device>,
    /// The IP address.
    pub peer: Option<IpAddr>,
}

/// A `User-Agent` (RFC 9110, 10.1.5) without control characters, trimmed, at most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(String);

impl Device {
    /// Maximum length in characters.
    pub const MAX: usize = 200;

    /// Cleans and truncates a name; `None` if it has no visible character. Idempotent.
    pub fn new(raw: &str) -> Option<Self> {
        let shown: String = raw.chars().filter(|c| !c.is_control()).collect();
        let name: String = shown.trim().chars().take(Self::MAX).collect();
        let name = name.trim_end();
        (!is_blank(name)).then(|| Self(name.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_is_cleaned_and_truncated() {
        assert_eq!(Device::new(" curl/8.5\r\n ").unwrap().as_str(), "curl/8.5");
        assert_eq!(Device::new(&"x".repeat(300)).unwrap().as_str().len(), 200);
        for name in ["\u{7} curl \u{7}", &format!("{} x", "x".repeat(199))] {
            let device = Device::new(name).unwrap();
            assert_eq!(Device::new(device.as_str()), Some(device), "{name:?}");
        }
        for nothing in ["", " \t", "\u{200B}", "\u{7}"] {
            assert_eq!(Device::new(nothing), None, "{nothing:?}");
        }
    }
}
