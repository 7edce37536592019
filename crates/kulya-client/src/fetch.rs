//! Downloads of small documents, such as the key set of a token issuer.

use crate::tls;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use reqwest::Client;
use reqwest::redirect::Policy;
use std::time::Duration;

/// The total timeout of a download.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Downloads the text at an `https://` URL (`http://` for localhost only), of at most `max_bytes`, within 10
/// seconds. Redirects are not followed. `ca_pem` replaces the operating system's certificate authorities.
///
/// # Errors
/// `InvalidInput` for an invalid URL or certificate; `Unavailable` when the download fails, is too large, or
/// is not UTF-8.
pub async fn fetch(url: &str, ca_pem: Option<&str>, max_bytes: usize) -> RegistryResult<String> {
    let invalid = |what: String| RegistryError::new(RegistryErrorKind::InvalidInput, what);
    let unavailable =
        || RegistryError::new(RegistryErrorKind::Unavailable, format!("download of {url} failed"));
    let parsed = reqwest::Url::parse(url).map_err(|e| invalid(format!("invalid URL {url:?}")).because(e))?;
    let is_local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_local) {
        return Err(invalid(format!("{url} is not https, so its content could be modified on the network")));
    }
    let tls = tls::client_config(ca_pem).map_err(|what| invalid(what.to_owned()))?;
    let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).tls_backend_preconfigured(tls);
    let client = client.build().map_err(|e| unavailable().because(e))?;
    let mut response = client.get(parsed).send().await.map_err(|e| unavailable().because(e))?;
    if !response.status().is_success() {
        return Err(unavailable().because(format!("the server responded with status {}", response.status())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unavailable().because(e))? {
        if bytes.len() + chunk.len() > max_bytes {
            return Err(unavailable().because(format!("the document has more than {max_bytes} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|e| unavailable().because(e))
}
