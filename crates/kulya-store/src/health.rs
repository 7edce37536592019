//! Health reports: named components, each with a status, a reason and counters. Creating a report does no
//! I/O and never blocks.

use std::fmt;

/// The status of a component, from best to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// The component works.
    #[default]
    Healthy,
    /// Requests are served, but a background task fails (retention, compaction) or the disk is full.
    Degraded,
    /// Requests cannot be served for now, without a restart being needed: a backend is unreachable.
    Unavailable,
    /// Requests cannot be served until the process restarts: a sync of the log failed.
    Failed,
}

impl HealthStatus {
    /// Returns the status as text for responses and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// Returns whether requests can be served.
    pub fn is_ready(self) -> bool {
        self < Self::Unavailable
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The health of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentHealth {
    /// The name, such as `store.log`.
    pub name: String,
    /// The status.
    pub status: HealthStatus,
    /// The reason if the component is not healthy, in one line for operators.
    pub reason: Option<String>,
    /// Counters since the process started, such as `compactions`.
    pub counters: Vec<(&'static str, u64)>,
}

/// A health report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The components, in no order.
    pub components: Vec<ComponentHealth>,
}

impl Health {
    /// Creates an empty report, whose status is healthy.
    pub fn healthy() -> Self {
        Self::default()
    }

    /// Returns the worst status of all components.
    pub fn status(&self) -> HealthStatus {
        self.components.iter().map(|component| component.status).max().unwrap_or_default()
    }

    /// Returns the component of a name.
    pub fn component(&self, name: &str) -> Option<&ComponentHealth> {
        self.components.iter().find(|component| component.name == name)
    }

    /// Returns the first component with the worst status, unless all are healthy.
    pub fn worst(&self) -> Option<&ComponentHealth> {
        let status = self.status();
        let is_worst = |component: &&ComponentHealth| component.status == status;
        self.components.iter().find(is_worst).filter(|component| component.status != HealthStatus::Healthy)
    }

    /// Merges the components of another report into this one.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.components.extend(other.components);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_that_of_the_worst_component() {
        assert_eq!(Health::healthy().status(), HealthStatus::Healthy);
        let component = |name: &str, status| ComponentHealth {
            name: name.to_owned(),
            status,
            ..ComponentHealth::default()
        };
        let one = Health { components: vec![component("a", HealthStatus::Degraded)] };
        assert!(one.status().is_ready());
        let other = Health {
            components: vec![component("b", HealthStatus::Failed), component("c", HealthStatus::Healthy)],
        };
        let both = one.merge(other);
        assert_eq!(both.worst().map(|worst| worst.name.as_str()), Some("b"));
        assert!(!both.status().is_ready());
        assert!(Health { components: vec![component("c", HealthStatus::Healthy)] }.worst().is_none());
    }
}
