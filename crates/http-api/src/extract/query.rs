//! Query parameters: the extractor, which refuses unknown parameters, and the parameters that lists share.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::num::NonZeroU16;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::page::PageRequest;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use url::form_urlencoded;

use super::deserialize_error::deserialize_error;
use super::page::{Cursor, Key};
use super::unset_fields::IgnoreUnset;
use crate::problem::{ApiError, RequestError};

/// Maximum number of rows of a page, except of tasks.
pub(crate) const MAX_PAGE: u16 = 100;
/// Number of rows of a page without `limit`, except of tasks.
pub(crate) const DEFAULT_PAGE: NonZeroU16 = NonZeroU16::new(50).expect("50 is not zero");

/// The extractor of a route's query parameters.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The parameters of a route that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self).map_err(ApiError::from))
    }
}

/// Parses a query string. Every parameter may occur once. An unknown one that is empty is the same as an absent one.
pub(crate) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, RequestError> {
    if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
        return Err(RequestError::Invalid { field: None, message: "The query is not valid UTF-8".to_owned() });
    }
    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut seen = HashSet::new();
    if let Some((duplicate, _)) = parameters.iter().find(|(name, _)| !seen.insert(name)) {
        return Err(RequestError::invalid(duplicate, format!("{duplicate} is given more than once")));
    }
    let form = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(IgnoreUnset::<_, String>::new(form)).map_err(|error| {
        let names = parameters.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_ref());
        deserialize_error(error.path(), &error.inner().to_string(), names, "query parameter")
    })
}

/// A count from 1 to `MAX`, such as the rows of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit<const MAX: u16>(NonZeroU16);

impl<const MAX: u16> Limit<MAX> {
    /// The count.
    pub(crate) fn get(self) -> u16 {
        self.0.get()
    }
}

impl<const MAX: u16> From<Limit<MAX>> for NonZeroU16 {
    fn from(Limit(limit): Limit<MAX>) -> Self {
        limit
    }
}

impl<'de, const MAX: u16> Deserialize<'de> for Limit<MAX> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let limit = String::deserialize(input)?.parse().ok().filter(|limit: &NonZeroU16| limit.get() <= MAX);
        limit.map(Self).ok_or_else(|| D::Error::custom(format_args!("must be a whole number from 1 to {MAX}")))
    }
}

/// The requested page, of `default` rows without a `limit`.
pub(crate) fn page<K: Key, const MAX: u16>(
    limit: Option<Limit<MAX>>,
    cursor: Option<Cursor<K>>,
    default: NonZeroU16,
) -> PageRequest<K> {
    PageRequest { limit: limit.map_or(default, |Limit(limit)| limit), after: cursor.map(|Cursor(key)| key) }
}
