//! The conformance suite of [`SchemaRegistry`](crate::SchemaRegistry) and [`RegistryAdministration`]. Each
//! function tests one promise on an empty registry, and panics when the registry breaks it. An
//! implementation's test is one call of [`run_all`], whether it is in process or behind a network. (The exact
//! responses of the Java contract are tested by transcripts of REST v1.)

mod changes;
mod checks;
mod export_import;
mod fixture;
mod groups;
mod references;
mod search;
mod versions;

use crate::administration::RegistryAdministration;
use changes::{an_invalid_position_is_rejected, every_change_is_streamed_once_and_in_order};
use checks::{
    a_check_can_override_policy_and_rules, a_refusal_has_the_locations_and_both_sides,
    a_registered_schema_is_found_by_a_check, adding_a_schema_agrees_with_its_check,
    an_invalid_check_is_an_error, every_policy_checks_its_directions_and_versions,
    several_types_are_accepted_if_the_group_allows_them,
};
use export_import::{
    a_damaged_export_is_rejected_and_creates_no_group, an_export_of_one_namespace_has_no_other_groups,
    an_imported_export_is_exported_identically, existing_groups_are_refused_or_skipped,
};
use groups::{
    a_conditional_change_needs_the_current_properties, groups_are_listed_page_by_page,
    namespaces_are_listed_page_by_page, properties_select_the_rules_and_unknown_values_are_rejected,
};
use references::{
    a_reference_that_leads_nowhere_is_refused, a_referenced_schema_is_not_deleted,
    a_schema_with_references_is_resolved_and_kept, a_source_imports_what_it_refers_to,
    a_verdict_goes_through_references, references_are_exported_and_imported,
    references_within_a_group_do_not_keep_it,
};
use search::{a_search_continues_over_pages, a_search_matches_all_conditions};
use std::future::Future;
use std::sync::Arc;
use versions::{
    a_deleted_schema_stays_readable, references_of_a_schema_are_found, schemas_are_compared,
    versions_are_listed_page_by_page,
};

/// Runs all functions of the suite, each on empty registries that `new_registry` creates. Returns how many
/// ran.
///
/// # Panics
/// When the registry breaks a promise.
pub async fn run_all<F, R>(new_registry: impl Fn() -> F) -> usize
where
    F: Future<Output = Arc<R>>,
    R: RegistryAdministration,
{
    let mut count = 0;
    macro_rules! run {
        ($($case:ident $(with $other:ident)?),* $(,)?) => { $({
            let registry = new_registry().await;
            $(let $other = new_registry().await;)?
            $case(&*registry $(, &*$other)?).await;
            count += 1;
        })* };
    }
    run!(
        namespaces_are_listed_page_by_page,
        groups_are_listed_page_by_page,
        a_conditional_change_needs_the_current_properties,
        properties_select_the_rules_and_unknown_values_are_rejected,
        every_policy_checks_its_directions_and_versions,
        a_refusal_has_the_locations_and_both_sides,
        a_check_can_override_policy_and_rules,
        a_registered_schema_is_found_by_a_check,
        adding_a_schema_agrees_with_its_check,
        several_types_are_accepted_if_the_group_allows_them,
        an_invalid_check_is_an_error,
        a_deleted_schema_stays_readable,
        versions_are_listed_page_by_page,
        schemas_are_compared,
        references_of_a_schema_are_found,
        a_search_matches_all_conditions,
        a_search_continues_over_pages,
        an_imported_export_is_exported_identically with other,
        an_export_of_one_namespace_has_no_other_groups,
        a_damaged_export_is_rejected_and_creates_no_group with other,
        existing_groups_are_refused_or_skipped,
        a_schema_with_references_is_resolved_and_kept,
        a_source_imports_what_it_refers_to,
        a_reference_that_leads_nowhere_is_refused,
        a_verdict_goes_through_references,
        a_referenced_schema_is_not_deleted,
        references_within_a_group_do_not_keep_it,
        references_are_exported_and_imported with other,
        every_change_is_streamed_once_and_in_order,
        an_invalid_position_is_rejected,
    );
    count
}
