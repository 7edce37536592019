//! What a store, or a whole server, says of itself to whoever supervises it: named components, each with its status and
//! the reason for it. Asking never waits and never touches a disk or a network: it tells what is known.

use std::fmt;

/// How well a component does its work; the later the worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// It does its work.
    #[default]
    Healthy,
    /// Requests are served, but something does not run as it should: retention or compaction fails, or the disk is full.
    Degraded,
    /// Requests cannot be served now, which may pass without a restart: a back end does not answer.
    Unavailable,
    /// Requests cannot be served, and nothing but a restart of the process can change that: a sync of the log failed.
    Failed,
}

impl HealthStatus {
    /// The word for it in answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// Whether requests can be served.
    pub fn is_ready(self) -> bool {
        self < Self::Unavailable
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentHealth {
    /// Its name, such as `store.log`.
    pub name: String,
    /// How well it does its work.
    pub status: HealthStatus,
    /// Why, where it is not healthy: one line for an operator.
    pub reason: Option<String>,
    /// What it has counted since the process began, such as `compactions`.
    pub counters: Vec<(&'static str, u64)>,
}

/// Components together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The components, in no particular order.
    pub components: Vec<ComponentHealth>,
}

impl Health {
    /// Of something that has nothing to say of itself.
    pub fn healthy() -> Self {
        Self::default()
    }

    /// The worst status of all components.
    pub fn status(&self) -> HealthStatus {
        self.components.iter().map(|component| component.status).max().unwrap_or_default()
    }

    /// The component of this name.
    pub fn component(&self, name: &str) -> Option<&ComponentHealth> {
        self.components.iter().find(|component| component.name == name)
    }

    /// The first component of the worst status, where that is not healthy.
    pub fn worst(&self) -> Option<&ComponentHealth> {
        let status = self.status();
        let is_worst = |component: &&ComponentHealth| component.status == status;
        self.components.iter().find(is_worst).filter(|component| component.status != HealthStatus::Healthy)
    }

    /// Adds another's components.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.components.extend(other.components);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_component_decides() {
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
        let both = one.and(other);
        assert_eq!(both.worst().map(|worst| worst.name.as_str()), Some("b"));
        assert!(!both.status().is_ready());
        assert!(Health { components: vec![component("c", HealthStatus::Healthy)] }.worst().is_none());
    }
}
