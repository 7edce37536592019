//! The interface to the permissions of a caller.

use kulya_schema::GroupId;

/// The rights of one caller. A server implements it for each authenticated request.
pub trait Authorizer: Send + Sync + 'static {
    /// Returns the caller's identity. Page tokens are valid for the identity that they were returned to.
    fn principal(&self) -> &str;
    /// Returns whether the caller may read a group, which need not exist.
    fn can_read(&self, group: &GroupId) -> bool;
    /// Returns whether the caller may see that a namespace has groups.
    fn can_list_namespace(&self, namespace: &str) -> bool;
    /// Checks whether the caller may create a group, and so may learn whether one of that name exists.
    ///
    /// # Errors
    /// The missing permission, as text.
    fn check_create(&self, group: &GroupId) -> Result<(), String>;
}
