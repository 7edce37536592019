//! Callers see nothing that they may not read. Callers with random permissions send every operation of every
//! API - from the code's own endpoint lists, so that a new one fails here until it is covered - about every
//! item, and no byte of a response may contain a name or a content that they may not read: neither plain nor
//! in base64, percent-encoding or hexadecimal.
//!
//! `KULYA_SEED=n` selects other permissions.

mod fixture;
mod operations;

use fixture::{Fixture, Thing};
use kulya_testkit::SeededRng;
use operations::TestResponse;

const CALLERS: u64 = 3;

fn seed() -> u64 {
    let seed = std::env::var("KULYA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026);
    println!("KULYA_SEED={seed}");
    seed
}

/// Whether a response contains a text, in any encoding.
fn holds(response: &str, marker: &str) -> bool {
    response.contains(marker)
}

#[tokio::test]
async fn responses_contain_nothing_unreadable() {
    let mut rng = SeededRng::new(seed());
    let (mut responses, mut visible, mut hidden) = (0, 0, 0);
    for _ in 0..CALLERS {
        let fixture = Fixture::new(&mut rng).await;
        for (request, response) in operations::all(&fixture).await {
            responses += 1;
            let text = response.all_encodings();
            for thing in &fixture.things {
                let may_read = fixture.may_read(thing);
                for marker in thing.markers() {
                    // what the request contains is not revealed
                    if request.message(marker) {
                        continue;
                    }
                    let is_held = holds(&text, marker);
                    visible += u32::from(is_held);
                    hidden += u32::from(!may_read);
                    assert!(
                        may_read || !is_held,
                        "permissions {:?}: {} reveals {marker} of {thing:?}:\n{text}",
                        fixture.rights,
                        request.line
                    );
                }
            }
        }
    }
    println!("{responses} responses, {visible} readable texts found, {hidden} unreadable texts searched for");
    assert!(responses > 1000 && visible > 500 && hidden > 10_000, "{responses} {visible} {hidden}");
}

/// The existence of an item is not revealed to a caller that may not read it: same status, same text.
#[tokio::test]
async fn unreadable_things_are_like_missing_ones() {
    let mut rng = SeededRng::new(seed() + 1);
    let mut compared = 0;
    for _ in 0..CALLERS {
        let fixture = Fixture::with_whole_rights(&mut rng).await;
        let there: Vec<&Thing> = fixture.things.iter().filter(|thing| !fixture.may_read(thing)).collect();
        for thing in there {
            let gone = thing.renamed();
            assert!(!fixture.may_read(&gone), "permissions are equal on both");
            for (request, response) in operations::about(&fixture, thing).await {
                let absent = operations::again(&fixture, &request, thing, &gone).await;
                let plain = |response: &TestResponse, thing: &Thing| response.without(thing.name());
                assert_eq!(
                    plain(&response, thing),
                    plain(&absent, &gone),
                    "permissions {:?}: {} reveals whether {thing:?} exists",
                    fixture.rights,
                    request.line
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

/// A page token is valid for its caller, for its list, and unchanged only.
#[tokio::test]
async fn a_page_token_is_valid_for_its_list_only() {
    let fixture = Fixture::new(&mut SeededRng::new(seed() + 2)).await;
    let first = async |path: &str, of: &str| {
        let page = fixture.admin("GET", path, "").await;
        let page: serde_json::Value = serde_json::from_str(&page.body).unwrap();
        page[of].as_str().unwrap_or_else(|| panic!("{path}: {page}")).to_owned()
    };
    let lists = [
        ("/v1/groups?namespace=ns-a&limit=1", "continuationToken", "continuationToken"),
        ("/v2/groups?namespace=ns-a&limit=1", "next", "after"),
        ("/v2/groups?namespace=ns-b&limit=1", "next", "after"),
        ("/v2/namespaces?limit=1", "next", "after"),
        ("/v2/search?limit=1", "next", "after"),
        ("/v2/search?namespace=ns-a&limit=1", "next", "after"),
    ];
    let mut tokens = Vec::new();
    for (path, of, _) in lists {
        tokens.push(first(path, of).await);
    }
    for (at, (path, _, parameter)) in lists.iter().enumerate() {
        for (of, token) in tokens.iter().enumerate() {
            let line = format!("{path}&{parameter}={token}");
            // v1 and v2 share the list of groups
            let fits = of == at || (of + at == 1);
            let expected = if fits { 200 } else { 400 };
            assert_eq!(fixture.admin("GET", &line, "").await.status, expected, "{line}");
            let eva = fixture.send("eva", "GET", &line, "").await;
            assert_ne!(eva.status, 200, "another caller's token: {line}");
        }
        for wrong in ["a", "/ns-a", "00.", "*", &tokens[at][1..], &format!("{}A", tokens[at])] {
            let line = format!("{path}&{parameter}={wrong}");
            assert_eq!(fixture.admin("GET", &line, "").await.status, 400, "{line}");
        }
    }
}
