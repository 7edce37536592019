//! What never changes is asked once, by one of many, and is there while the registry is away.

use crate::outage::Outage;
use crate::{User, alice, config, registry, schema};
use futures::future::join_all;
use kulya_codec::codec::Gzip;
use kulya_codec::{CachedRegistry, Deserializer, Encodings, Serializer, SerializerConfig};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{EncodingId, Format, GroupId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn gzip(group: &GroupId) -> SerializerConfig {
    config(group, &Format::Avro).codec(Gzip)
}

#[tokio::test]
async fn many_readers_of_a_new_id_make_one_call() {
    let group = GroupId::new("s", "t");
    let outage = Outage::of(registry().await);
    let writer = Serializer::new(&*outage, schema(&Format::Avro), gzip(&group)).await.unwrap();
    let event = writer.serialize(&alice()).unwrap();
    let reader = Deserializer::new(Arc::<Outage>::clone(&outage), group);
    outage.calls();
    // nobody is answered before all have asked
    let permits = outage.answers.forget_permits(usize::MAX);
    let all = join_all((0..100).map(|_| reader.deserialize::<User>(&event)));
    let ((), all) = futures::future::join(
        async {
            tokio::task::yield_now().await;
            outage.answers.add_permits(permits);
        },
        all,
    )
    .await;
    assert!(all.into_iter().all(|read| read.unwrap() == alice()));
    assert_eq!(outage.calls(), 1);
}

#[tokio::test]
async fn known_ids_are_read_while_the_registry_is_away_and_others_when_it_is_back() {
    let group = GroupId::new("s", "t");
    let outage = Outage::of(registry().await);
    let gzipped = Serializer::new(&*outage, schema(&Format::Avro), gzip(&group)).await.unwrap();
    let plain =
        Serializer::new(&*outage, schema(&Format::Avro), config(&group, &Format::Avro)).await.unwrap();
    let (gzipped, plain) = (gzipped.serialize(&alice()).unwrap(), plain.serialize(&alice()).unwrap());
    let reader = Deserializer::new(Arc::<Outage>::clone(&outage), group);
    reader.deserialize::<User>(&gzipped).await.unwrap();
    outage.is_away.store(true, Ordering::SeqCst);
    outage.calls();
    assert_eq!(reader.deserialize::<User>(&gzipped).await.unwrap(), alice());
    assert_eq!(outage.calls(), 0);
    for _ in 0..2 {
        let refused = reader.deserialize::<User>(&plain).await.unwrap_err().to_string();
        assert!(refused.contains("away"), "{refused}");
    }
    assert_eq!(outage.calls(), 2, "a failure is not kept");
    outage.is_away.store(false, Ordering::SeqCst);
    assert_eq!(reader.deserialize::<User>(&plain).await.unwrap(), alice());
}

#[tokio::test]
async fn those_that_wait_for_one_call_share_its_failure_too() {
    let group = GroupId::new("s", "t");
    let outage = Outage::of(registry().await);
    let encodings = Encodings::new(Arc::<Outage>::clone(&outage), group);
    outage.is_away.store(true, Ordering::SeqCst);
    let permits = outage.answers.forget_permits(usize::MAX);
    let all = join_all((0..100).map(|_| encodings.encoding(EncodingId(7))));
    let let_answer = async { outage.answers.add_permits(permits) };
    let (answers, ()) = futures::future::join(all, let_answer).await;
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), RegistryErrorKind::Unavailable);
    }
    assert_eq!(outage.calls(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_taken_over_by_another_that_waits() {
    let group = GroupId::new("s", "t");
    let outage = Outage::of(registry().await);
    let writer = Serializer::new(&*outage, schema(&Format::Avro), gzip(&group)).await.unwrap();
    let encodings = Encodings::new(Arc::<Outage>::clone(&outage), group);
    let permits = outage.answers.forget_permits(usize::MAX);
    let id = writer.encoding_id().unwrap();
    let (mut first, second) = (Box::pin(encodings.encoding(id)), encodings.encoding(id));
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = Box::pin(second);
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    outage.answers.add_permits(permits);
    assert_eq!(second.await.unwrap().codec.name, Gzip::NAME);
}

#[tokio::test]
async fn writers_of_a_known_schema_ask_nothing() {
    let group = GroupId::new("s", "t");
    let outage = Outage::of(registry().await);
    let cached: Arc<dyn SchemaRegistry> = Arc::new(CachedRegistry::new(Arc::<Outage>::clone(&outage)));
    // many at once register once: group, codec, schema, encoding
    let writers =
        join_all((0..50).map(|_| Serializer::new(&*cached, schema(&Format::Avro), gzip(&group)))).await;
    assert_eq!(outage.calls(), 4);
    let event = writers[49].as_ref().unwrap().serialize(&alice()).unwrap();
    Deserializer::new(Arc::clone(&cached), group.clone()).deserialize::<User>(&event).await.unwrap();
    assert_eq!(outage.calls(), 1);

    outage.is_away.store(true, Ordering::SeqCst);
    let writer = Serializer::new(&*cached, schema(&Format::Avro), gzip(&group)).await.unwrap();
    assert_eq!(writer.serialize(&alice()).unwrap(), event);
    let reader = Deserializer::new(Arc::clone(&cached), group.clone());
    assert_eq!(reader.deserialize::<User>(&event).await.unwrap(), alice());
    assert_eq!(outage.calls(), 0);
    // what changes is asked, and a schema that is new
    assert_eq!(cached.group(&group).await.unwrap_err().kind(), RegistryErrorKind::Unavailable);
    let new = Serializer::new(&*cached, schema(&Format::Avro), config(&group, &Format::Avro)).await;
    assert!(new.err().unwrap().to_string().contains("away"), "its encoding is not known");
}

#[tokio::test]
async fn one_of_those_that_make_a_group_made_it_and_a_deleted_one_is_forgotten() {
    let group = GroupId::new("s", "t");
    let outage = Outage::of(registry().await);
    let cached: Arc<dyn SchemaRegistry> = Arc::new(CachedRegistry::new(Arc::<Outage>::clone(&outage)));
    let properties =
        || kulya_schema::GroupProperties::new(Format::Avro, kulya_schema::Compatibility::AllowAny, true);
    let made = join_all((0..10).map(|_| cached.create_group(&group, properties()))).await;
    assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
    let writer = Serializer::new(&*cached, schema(&Format::Avro), gzip(&group)).await.unwrap();
    let id = writer.encoding_id().unwrap();
    cached.encoding(&group, id).await.unwrap();
    cached.delete_group(&group).await.unwrap();
    assert_eq!(cached.encoding(&group, id).await.unwrap_err().kind(), RegistryErrorKind::NotFound);
    let find = SerializerConfig::new(group.clone());
    let gone = Serializer::new(&*cached, schema(&Format::Avro), find).await.err().unwrap().to_string();
    assert!(gone.contains("does not exist"), "{gone}");
    assert!(cached.create_group(&group, properties()).await.unwrap());
}
