//! Pages of a list, by key: a page starts after the last row of the one before, so rows that come or go in
//! between are neither shown twice nor skipped. Deliberately not here: offsets, totals, how a cursor is spelled.

use std::num::NonZeroU16;

/// Which page is asked for. `C` is the key of the list's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest<C> {
    /// At most this many rows.
    pub limit: NonZeroU16,
    /// Start behind this key; from the beginning if absent.
    pub after: Option<C>,
}

impl<C> PageRequest<C> {
    /// The first page, of at most `limit` rows.
    pub fn first(limit: NonZeroU16) -> Self {
        Self { limit, after: None }
    }
}

/// Some rows of a list, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub items: Vec<T>,
    /// The key to continue behind; `None` on the last page.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Makes a page from up to `limit + 1` rows: the surplus row only tells that there is a next page.
    pub fn from_surplus(mut rows: Vec<T>, limit: NonZeroU16, key: impl FnOnce(&T) -> C) -> Self {
        let limit = usize::from(limit.get());
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(key);
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surplus_row_makes_a_next_page_and_is_not_shown() {
        let two = NonZeroU16::new(2).unwrap();
        let page = Page::from_surplus(vec![1, 2, 3], two, |row| *row);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(2)));
        let page = Page::from_surplus(vec![1, 2], two, |row| *row);
        assert_eq!((page.items, page.next), (vec![1, 2], None));
        let page = Page::from_surplus(Vec::<i32>::new(), two, |row| *row);
        assert_eq!((page.items, page.next), (vec![], None));
    }
}
