//! Time zones.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// A time zone by its name in the IANA time zone database, such as `Europe/Berlin`. `UTC` by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(chrono_tz::Tz);

impl TimeZone {
    /// Returns the IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the local date at `time`.
    pub fn date_at(self, time: DateTime<Utc>) -> NaiveDate {
        time.with_timezone(&self.0).date_naive()
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self(chrono_tz::Tz::UTC)
    }
}

/// The text is not the name of a [`TimeZone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone name such as Europe/Berlin")]
pub struct TimeZoneError;

impl FromStr for TimeZone {
    type Err = TimeZoneError;
    fn from_str(raw: &str) -> Result<Self, TimeZoneError> {
        raw.parse().map(Self).or(Err(TimeZoneError))
    }
}

impl TryFrom<String> for TimeZone {
    type Error = TimeZoneError;
    fn try_from(raw: String) -> Result<Self, TimeZoneError> {
        raw.parse()
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_depends_on_the_time_zone() {
        let late: DateTime<Utc> = "2026-03-01T23:30:00Z".parse().unwrap();
        assert_eq!(TimeZone::default().date_at(late).to_string(), "2026-03-01");
        assert_eq!("Europe/Berlin".parse::<TimeZone>().unwrap().date_at(late).to_string(), "2026-03-02");
        assert_eq!("Mars/Base".parse::<TimeZone>(), Err(TimeZoneError));
    }
}
