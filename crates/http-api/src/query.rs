//! Query parameters: the extractor that refuses what a route does not know, and the parameters that lists share.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::num::NonZeroU16;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::page::PageRequest;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use url::form_urlencoded;

use crate::error::{ApiError, RequestError};
use crate::page::{Cursor, Key};
use crate::validation::misfit;

/// A route's query parameters.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// No parameters at all.
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

pub(crate) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, RequestError> {
    if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
        return Err(RequestError::Invalid { field: None, message: "The query is not valid UTF-8".to_owned() });
    }
    let names: Vec<String> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(RequestError::invalid(twice, format!("{twice} is given more than once")));
    }
    let form = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(form).map_err(|error| {
        misfit(error.path(), &error.inner().to_string(), names.iter().map(String::as_str), "query parameter")
    })
}

/// How many there may be at most, such as rows of a page: 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit<const MAX: u16>(NonZeroU16);

impl<const MAX: u16> Limit<MAX> {
    /// The number.
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

/// The page that is asked for; of `default` rows if the request does not say.
pub(crate) fn page<K: Key, const MAX: u16>(
    limit: Option<Limit<MAX>>,
    cursor: Option<Cursor<K>>,
    default: NonZeroU16,
) -> PageRequest<K> {
    PageRequest { limit: limit.map_or(default, |Limit(limit)| limit), after: cursor.map(|Cursor(key)| key) }
}
