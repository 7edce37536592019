//! Whether a store is there, asked without making one.

use crate::bucket::Bucket;
use crate::location::Location;
use crate::settings::Settings;
use kulya_store::Result;
use std::sync::Arc;

impl Location {
    /// Whether a store is there.
    ///
    /// # Errors
    /// `Corrupt` when something else is.
    pub async fn has_store(&self) -> Result<bool> {
        Bucket::new(Arc::clone(&self.objects), &self.prefix, Settings::new(0)).find().await
    }
}
