//! Entity tags and conditional requests (RFC 9110, 8.8.3 and 13.1). The tag of a task is its version, the tag of a list
//! the state of the user's ledger.
//!
//! Compressing proxies weaken tags or append the coding, and clients send them back so.

use actix_web::HttpRequest;
use actix_web::http::header::{ETag, EntityTag, HeaderName, IF_MATCH, IF_NONE_MATCH};
use domain::change::Head;
use domain::task::{Task, Version};

use crate::problem::RequestError;

/// The version of the representation of lists, to be incremented when it changes.
const LIST_FORMAT: u8 = 1;

/// The `ETag` of a task. The tag is strong, because a version identifies one representation.
pub(crate) fn of_task(task: &Task) -> ETag {
    ETag(EntityTag::new_strong(task.version.to_string()))
}

/// The `ETag` of a list that is read after `head`. The tag is weak, because the rows may be newer.
pub(crate) fn of_list(head: &Head) -> ETag {
    ETag(EntityTag::new_weak(format!("{LIST_FORMAT}.{}.{}", head.seq, head.time_zone)))
}

/// The versions that `If-Match` allows a change to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Any version.
    None,
    /// Exactly this version.
    Exactly(Version),
    /// One of these versions.
    OneOf(Vec<Version>),
}

impl Precondition {
    /// Parses `If-Match`. `*` only requires that the task exists, which every change does.
    ///
    /// # Errors
    /// [`RequestError::Invalid`] if it is malformed: a precondition must never be ignored.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, RequestError> {
        let tags = match parse(request, &IF_MATCH) {
            Some(Tags::Absent | Tags::Any) => return Ok(Self::None),
            Some(Tags::List(tags)) => tags,
            None => {
                let message = "If-Match must be * or a list of entity tags such as \"1\"";
                return Err(RequestError::invalid("If-Match", message));
            }
        };
        // A weak tag counts as a strong one: a compressing proxy weakens the tags of this API, which are all strong.
        let versions: Vec<Version> = tags.iter().filter_map(version).collect();
        match versions.as_slice() {
            [version] => Ok(Self::Exactly(*version)),
            _ => Ok(Self::OneOf(versions)),
        }
    }
}

/// Whether `If-None-Match` contains the tag (weak comparison). A malformed header is ignored, because a full response is
/// always correct.
pub(crate) fn is_not_modified(request: &HttpRequest, ETag(tag): &ETag) -> bool {
    match parse(request, &IF_NONE_MATCH) {
        Some(Tags::Any) => true,
        Some(Tags::List(tags)) => tags.iter().any(|known| without_coding(known) == tag.tag()),
        Some(Tags::Absent) | None => false,
    }
}

fn version(tag: &EntityTag) -> Option<Version> {
    let text = without_coding(tag);
    let version = text.parse().ok().and_then(Version::new)?;
    // Tags are compared as text: "01" and "+1" are not "1".
    (version.to_string() == text).then_some(version)
}

/// The text of a tag without the content coding that some compressing proxies append, such as `1-gzip`, `1--gzip` and
/// `1;br`.
fn without_coding(tag: &EntityTag) -> &str {
    let before_coding = ["gzip", "br", "zstd", "deflate"].iter().find_map(|coding| tag.tag().strip_suffix(coding));
    let before_separator = before_coding.and_then(|text| text.strip_suffix(['-', ';']));
    before_separator.map_or(tag.tag(), |text| text.trim_end_matches('-'))
}

enum Tags {
    Absent,
    Any,
    List(Vec<EntityTag>),
}

/// Parses a list of tags; `None` if it is malformed. actix-web's parser skips malformed items, which would disable a
/// precondition.
fn parse(request: &HttpRequest, name: &HeaderName) -> Option<Tags> {
    let lines = request.headers().get_all(name).map(|line| line.to_str().ok()).collect::<Option<Vec<_>>>()?;
    if lines.is_empty() {
        return Some(Tags::Absent);
    }
    let line = lines.join(",");
    if line.trim() == "*" {
        return Some(Tags::Any);
    }
    let mut quoted = false;
    let items = line.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    let tags = items.map(str::trim).filter(|item| !item.is_empty()).map(|item| item.parse().ok());
    let tags: Vec<EntityTag> = tags.collect::<Option<_>>()?;
    (!tags.is_empty()).then_some(Tags::List(tags))
}
