//! placeholder

pub(crate) struct NamedTask<'a> {
    pub position: Option<usize>,
    pub is_last: bool,
    pub title: &'a str,
    pub completed: bool,
}
pub(crate) fn is_affirmative(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("yes")
}
pub(crate) fn asks_to_delete(text: &str) -> bool {
    text.contains("delete") && text.contains('?')
}
pub(crate) fn permits_deletion(text: &str, tasks: &[NamedTask<'_>]) -> bool {
    text.contains("delete") && tasks.iter().all(|task| text.contains(task.title))
}
