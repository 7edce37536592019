//! The client's address in the `X-Forwarded-For` header of trusted proxies.

use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Returns the last address in `X-Forwarded-For` that is not a trusted proxy's: anybody may write the ones
/// before it.
pub(super) fn forwarded_for(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let addresses: Vec<_> = values.flat_map(|value| value.split(',')).collect();
    let parsed = addresses.iter().rev().map_while(|text| {
        let text = text.trim();
        let address = text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
        Some(IpAddr::to_canonical(&address))
    });
    parsed.into_iter().find(|address| !proxies.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_names_the_client() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let client = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            forwarded_for(&headers, &[proxy]).map(|address| address.to_string())
        };
        assert_eq!(client(&["1.1.1.1, 2.2.2.2"]).as_deref(), Some("2.2.2.2"), "earlier ones are not trusted");
        assert_eq!(client(&["1.1.1.1", "2.2.2.2, 10.0.0.1"]).as_deref(), Some("2.2.2.2"), "chained proxies");
        assert_eq!(client(&["[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
        assert_eq!((client(&[]), client(&["unknown"]), client(&["2.2.2.2, unknown"])), (None, None, None));
    }
}
