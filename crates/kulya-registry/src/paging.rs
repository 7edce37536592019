//! Limits of pages.

use kulya_registry_api::administration::PageRequest;

/// The maximum number of items of a page, whatever is requested.
pub(crate) const MAX_ITEMS: usize = 10_000;

/// Returns the number of items of a page: what is requested, between 1 and [`MAX_ITEMS`].
pub(crate) fn page_limit(page: &PageRequest) -> usize {
    page.limit.clamp(1, MAX_ITEMS)
}
