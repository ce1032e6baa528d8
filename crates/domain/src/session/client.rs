//! What is known of the program at the other end of a session, as people recognise it in a list of theirs.

use std::net::IpAddr;

use crate::text::is_blank;

/// The other end of a request: told to its owner, and never believed for anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself.
    pub device: Option<Device>,
    /// Where it is.
    pub peer: Option<IpAddr>,
}

/// What a program calls itself: a `User-Agent` (RFC 9110, 10.1.5) without control characters, trimmed, at most 200
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(String);

impl Device {
    /// The longest name that is kept, in characters.
    pub const MAX: usize = 200;

    /// Reads a name, and cuts what is too long; `None` if nothing visible is in it. A name reads as itself.
    pub fn new(raw: &str) -> Option<Self> {
        let shown: String = raw.chars().filter(|c| !c.is_control()).collect();
        let name: String = shown.trim().chars().take(Self::MAX).collect();
        let name = name.trim_end();
        (!is_blank(name)).then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_what_is_visible_of_its_name() {
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
