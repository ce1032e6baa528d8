//! Entity tags and conditional requests (RFC 9110, 8.8.3 and 13.1). A task's tag is its version; a list's is made of what
//! tells whether the user's lists may have changed.

use actix_web::HttpRequest;
use actix_web::http::header::{ETag, EntityTag, HeaderName, IF_MATCH, IF_NONE_MATCH};
use domain::change::Head;
use domain::task::{Task, Version};

use crate::error::RequestError;

/// The version of the form in which lists are answered. It is raised when that form changes.
const LIST_FORM: u8 = 1;

/// The header that tells a task's version. Its tag is strong, because a version names one representation.
pub(crate) fn of_task(task: &Task) -> ETag {
    ETag(EntityTag::new_strong(task.version.to_string()))
}

/// The header of a list that is read no earlier than `head`. Its tag is weak, because the rows may be newer.
pub(crate) fn of_list(head: &Head) -> ETag {
    ETag(EntityTag::new_weak(format!("{LIST_FORM}.{}.{}", head.seq, head.time_zone)))
}

/// Which versions a change may meet: `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Any.
    None,
    /// This one.
    Exactly(Version),
    /// One of these.
    OneOf(Vec<Version>),
}

impl Precondition {
    /// What `If-Match` says. `*` asks only that there is a task, and so does every change.
    ///
    /// # Errors
    /// [`RequestError::Invalid`] if it cannot be read: a guard that is not understood must not be left out.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, RequestError> {
        let tags = match parse(request, &IF_MATCH) {
            Some(Tags::Absent | Tags::Any) => return Ok(Self::None),
            Some(Tags::List(tags)) => tags,
            None => {
                let message = "If-Match must be * or a list of entity tags such as \"1\"";
                return Err(RequestError::invalid("If-Match", message));
            }
        };
        // Compared strongly: a weak tag is like no version, and neither is a tag that this server never gave.
        let versions: Vec<Version> = tags.iter().filter(|tag| !tag.weak).filter_map(version).collect();
        match versions.as_slice() {
            [version] => Ok(Self::Exactly(*version)),
            _ => Ok(Self::OneOf(versions)),
        }
    }
}

/// Whether the client has what is tagged so already: `If-None-Match`, compared weakly. What cannot be read is left out,
/// because a whole answer is never wrong.
pub(crate) fn is_known(request: &HttpRequest, ETag(tag): &ETag) -> bool {
    match parse(request, &IF_NONE_MATCH) {
        Some(Tags::Any) => true,
        Some(Tags::List(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Some(Tags::Absent) | None => false,
    }
}

fn version(tag: &EntityTag) -> Option<Version> {
    let version = tag.tag().parse().ok().and_then(Version::new)?;
    // A tag is compared as text: "01" and "+1" are not "1".
    (version.to_string() == tag.tag()).then_some(version)
}

enum Tags {
    Absent,
    Any,
    List(Vec<EntityTag>),
}

/// Reads a list of tags; `None` if it is none. The framework's own reading of lists leaves out silently what it does
/// not understand, which would turn a broken guard into none.
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
