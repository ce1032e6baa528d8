//! Keyset pagination: a page starts after the last row of the previous one, so concurrent inserts and deletes neither
//! repeat nor skip rows.

use std::num::NonZeroU16;

/// A request for a page. `C` is the key of the list's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest<C> {
    /// Maximum number of rows.
    pub limit: NonZeroU16,
    /// The key before the first row; absent for the first page.
    pub after: Option<C>,
}

impl<C> PageRequest<C> {
    /// Requests the first page, of at most `limit` rows.
    pub fn first(limit: NonZeroU16) -> Self {
        Self { limit, after: None }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub items: Vec<T>,
    /// The key of the last row; `None` on the last page.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Creates a page from up to `limit + 1` rows; a surplus row means that there is a next page.
    pub fn from_surplus(mut rows: Vec<T>, limit: NonZeroU16, key: impl FnOnce(&T) -> C) -> Self {
        let limit = usize::from(limit.get());
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_next).map(key);
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surplus_row_means_a_next_page_and_is_dropped() {
        let two = NonZeroU16::new(2).unwrap();
        let page = Page::from_surplus(vec![1, 2, 3], two, |row| *row);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(2)));
        let page = Page::from_surplus(vec![1, 2], two, |row| *row);
        assert_eq!((page.items, page.next), (vec![1, 2], None));
        let page = Page::from_surplus(Vec::<i32>::new(), two, |row| *row);
        assert_eq!((page.items, page.next), (vec![], None));
    }
}
