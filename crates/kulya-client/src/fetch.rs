//! A document from the web, such as an issuer's key set.

use crate::trust;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use reqwest::Client;
use reqwest::redirect::Policy;
use std::time::Duration;

/// Who has not answered by then does not answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The text at an `https://` URL (`http://` only on this machine), of at most `max_bytes`. Redirects are not followed: who
/// names an address means it.
///
/// # Errors
/// `InvalidInput` for a URL or a certificate that cannot be used; `Unavailable` for whatever does not answer with a text.
pub async fn fetch(url: &str, ca_pem: Option<&str>, max_bytes: usize) -> RegistryResult<String> {
    let invalid = |what: String| RegistryError::new(RegistryErrorKind::InvalidInput, what);
    let away = || RegistryError::new(RegistryErrorKind::Unavailable, format!("{url} cannot be had"));
    let parsed = reqwest::Url::parse(url).map_err(|e| invalid(format!("{url:?} is no URL")).because(e))?;
    let is_here = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_here) {
        return Err(invalid(format!("{url} is not https: who is on the way could change it")));
    }
    let tls = trust::config(ca_pem).map_err(|what| invalid(what.to_owned()))?;
    let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).tls_backend_preconfigured(tls);
    let client = client.build().map_err(|e| away().because(e))?;
    let mut response = client.get(parsed).send().await.map_err(|e| away().because(e))?;
    if !response.status().is_success() {
        return Err(away().because(format!("it answers {}", response.status())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| away().because(e))? {
        if bytes.len() + chunk.len() > max_bytes {
            return Err(away().because(format!("it has more than {max_bytes} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|e| away().because(e))
}
