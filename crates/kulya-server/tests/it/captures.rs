//! A capture that does nothing but change its state, for tests of the endpoints.

use async_trait::async_trait;
use kulya_server::{CaptureError, CaptureErrorKind, Captures, RemoveOptions};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// A program with one capture, `shop`.
#[derive(Default)]
pub(crate) struct ShopCapture {
    is_paused: AtomicBool,
}

impl ShopCapture {
    fn value(&self) -> Value {
        let state = if self.is_paused.load(Ordering::SeqCst) { "paused" } else { "streaming" };
        json!({
            "name": "shop", "connector": "postgresql", "state": state, "records": 9, "recordsPerSecond": 1,
            "restarts": 0, "deadLetters": 0,
        })
    }

    fn set_paused(&self, name: &str, is_paused: bool) -> Result<Value, CaptureError> {
        check(name)?;
        self.is_paused.store(is_paused, Ordering::SeqCst);
        Ok(self.value())
    }
}

fn check(name: &str) -> Result<(), CaptureError> {
    if name == "shop" { Ok(()) } else { Err(CaptureError::not_found(name)) }
}

#[async_trait]
impl Captures for ShopCapture {
    async fn list(&self) -> Vec<Value> {
        vec![self.value()]
    }

    async fn status(&self, name: &str) -> Result<Value, CaptureError> {
        check(name).map(|()| self.value())
    }

    async fn pause(&self, name: &str) -> Result<Value, CaptureError> {
        self.set_paused(name, true)
    }

    async fn resume(&self, name: &str) -> Result<Value, CaptureError> {
        self.set_paused(name, false)
    }

    async fn signal(&self, name: &str, signal: &Value) -> Result<Value, CaptureError> {
        check(name)?;
        if signal["type"] == "log" && signal["data"]["message"].is_null() {
            let message = "data.message: write a text".to_owned();
            return Err(CaptureError { kind: CaptureErrorKind::Invalid, message });
        }
        Ok(self.value())
    }

    async fn remove(&self, name: &str, options: RemoveOptions) -> Result<Value, CaptureError> {
        check(name)?;
        if !self.is_paused.load(Ordering::SeqCst) {
            let message = "capture shop runs: pause it before it is dropped".to_owned();
            return Err(CaptureError { kind: CaptureErrorKind::Conflict, message });
        }
        let slot = if options.store_only { Value::Null } else { json!("kulya_shop") };
        let dropped = json!({ "name": "shop", "slot": slot, "position": "0/10" });
        let members = dropped.as_object().cloned().unwrap_or_default();
        Ok(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }
}
