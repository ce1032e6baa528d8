//! Times in tokens.

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::TokenError;

use super::defect::TokenDefect;

/// Tolerated difference between the clocks of two instances.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Converts seconds since 1970. A time that overflows with the leeway added or subtracted is out of range.
pub(super) fn from_timestamp(seconds: i64) -> Result<DateTime<Utc>, TokenDefect> {
    DateTime::from_timestamp(seconds, 0)
        .filter(|time| time.checked_add_signed(LEEWAY).is_some() && time.checked_sub_signed(LEEWAY).is_some())
        .ok_or(TokenDefect::TimeOutOfRange)
}

/// Both times come from [`from_timestamp`].
pub(super) fn check_validity(
    now: DateTime<Utc>,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), TokenError> {
    if now < issued_at - LEEWAY {
        return Err(TokenError::Invalid(TokenDefect::NotYetValid.into()));
    }
    if now > expires_at + LEEWAY { Err(TokenError::Expired) } else { Ok(()) }
}
