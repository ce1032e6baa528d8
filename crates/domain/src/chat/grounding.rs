//! placeholder

pub(super) fn claims_change(text: &str, _titles: &[&str]) -> bool {
    text.contains("deleted") || text.contains("Added")
}
