//! Nobody sees what they may not read. Callers with drawn rights ask every operation of every face - the lists of operations
//! are the code's own, so one that is new fails here until it is asked - about everything there is, and no byte of an answer
//! may hold a name or a content that they may not read: not as it is, and not in base64, percent signs or hexadecimal digits.
//!
//! `KULYA_SEED=n` draws other rights.

mod operations;
mod world;

use kulya_testkit::SeededRng;
use operations::Answer;
use world::{Thing, World};

const CALLERS: u64 = 3;

fn seed() -> u64 {
    let seed = std::env::var("KULYA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026);
    println!("KULYA_SEED={seed}");
    seed
}

/// Whether an answer holds a text, in any of the ways in which it may be written.
fn holds(answer: &str, marker: &str) -> bool {
    answer.contains(marker)
}

#[tokio::test]
async fn no_byte_of_an_answer_is_of_what_may_not_be_read() {
    let mut rng = SeededRng::new(seed());
    let (mut asked, mut shown, mut hidden) = (0, 0, 0);
    for _ in 0..CALLERS {
        let world = World::new(&mut rng).await;
        for (request, answer) in operations::all(&world).await {
            asked += 1;
            let text = answer.every_spelling();
            for thing in &world.things {
                let may_read = world.may_read(thing);
                for marker in thing.markers() {
                    // what the request says itself is no news
                    if request.says(marker) {
                        continue;
                    }
                    let is_held = holds(&text, marker);
                    shown += u32::from(is_held);
                    hidden += u32::from(!may_read);
                    assert!(
                        may_read || !is_held,
                        "rights {:?}: {} tells {marker} of {thing:?}:\n{text}",
                        world.rights,
                        request.line
                    );
                }
            }
        }
    }
    println!("{asked} answers, {shown} times shown what may be read, {hidden} times looked for what may not");
    assert!(asked > 1000 && shown > 500 && hidden > 10_000, "{asked} {shown} {hidden}");
}

/// Whether there is such a thing is not told to whoever may not read it: the same status and the same text.
#[tokio::test]
async fn what_may_not_be_read_is_as_if_it_were_not() {
    let mut rng = SeededRng::new(seed() + 1);
    let mut compared = 0;
    for _ in 0..CALLERS {
        let world = World::with_whole_rights(&mut rng).await;
        let there: Vec<&Thing> = world.things.iter().filter(|thing| !world.may_read(thing)).collect();
        for thing in there {
            let gone = thing.renamed();
            assert!(!world.may_read(&gone), "drawn rights are alike on both");
            for (request, answer) in operations::about(&world, thing).await {
                let absent = operations::again(&world, &request, thing, &gone).await;
                let plain = |answer: &Answer, thing: &Thing| answer.without(thing.name());
                assert_eq!(
                    plain(&answer, thing),
                    plain(&absent, &gone),
                    "rights {:?}: {} tells whether {thing:?} is there",
                    world.rights,
                    request.line
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

/// A page token is good for who got it, for what was asked for, and as it was given.
#[tokio::test]
async fn a_page_token_is_good_for_its_list_alone() {
    let world = World::new(&mut SeededRng::new(seed() + 2)).await;
    let first = async |path: &str, of: &str| {
        let page = world.admin("GET", path, "").await;
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
            // v1 and v2 have one list of groups
            let fits = of == at || (of + at == 1);
            let expected = if fits { 200 } else { 400 };
            assert_eq!(world.admin("GET", &line, "").await.status, expected, "{line}");
            let eva = world.ask("eva", "GET", &line, "").await;
            assert_ne!(eva.status, 200, "somebody else's token: {line}");
        }
        for wrong in ["a", "/ns-a", "00.", "*", &tokens[at][1..], &format!("{}A", tokens[at])] {
            let line = format!("{path}&{parameter}={wrong}");
            assert_eq!(world.admin("GET", &line, "").await.status, 400, "{line}");
        }
    }
}
