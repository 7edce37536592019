//! The store as a whole. What needs a real Pravega is in `real_pravega`: `cargo xtask test` starts one where Java and Maven
//! are, and says so where they are not.

mod real_pravega;

use crate::{PravegaStore, Settings};
use kulya_store::ErrorKind;

#[tokio::test]
async fn a_pravega_that_is_not_there_is_said_to_be_so() {
    // bound, and closed again: nobody listens there
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings::new(format!("tcp://{nobody}").parse().unwrap(), 1);
    let error = PravegaStore::open(settings).await.err().expect("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Failed);
    let text = error.to_string();
    assert!(text.contains(&format!("tcp://{nobody} does not answer: see that it runs")), "{text}");
}
