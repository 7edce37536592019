//! Caching of immutable responses: concurrent calls become one, and cached ids resolve during an flaky.

use crate::flaky_registry::FlakyRegistry;
use crate::{User, alice, config, registry, schema};
use futures::future::join_all;
use kulya_codec::codec::Gzip;
use kulya_codec::{CachedRegistry, Deserializer, EncodingCache, Serializer, SerializerConfig};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{EncodingId, Format, GroupId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn gzip(group: &GroupId) -> SerializerConfig {
    config(group, &Format::Avro).codec(Gzip)
}

#[tokio::test]
async fn concurrent_readers_of_a_new_id_make_one_call() {
    let group = GroupId::new("s", "t");
    let flaky = FlakyRegistry::new(registry().await);
    let writer = Serializer::new(flaky.shared(), schema(&Format::Avro), gzip(&group)).await.unwrap();
    let event = writer.serialize(&alice()).unwrap();
    let reader = Deserializer::new(flaky.shared(), group);
    flaky.take_calls();
    // no call responds before all readers have started
    let permits = flaky.permits.forget_permits(usize::MAX);
    let all = join_all((0..100).map(|_| reader.deserialize::<User>(&event)));
    let ((), all) = futures::future::join(
        async {
            tokio::task::yield_now().await;
            flaky.permits.add_permits(permits);
        },
        all,
    )
    .await;
    assert!(all.into_iter().all(|read| read.unwrap() == alice()));
    assert_eq!(flaky.take_calls(), 1);
}

#[tokio::test]
async fn cached_ids_resolve_during_an_outage_and_others_after_it() {
    let group = GroupId::new("s", "t");
    let flaky = FlakyRegistry::new(registry().await);
    let compressed = Serializer::new(flaky.shared(), schema(&Format::Avro), gzip(&group)).await.unwrap();
    let plain =
        Serializer::new(flaky.shared(), schema(&Format::Avro), config(&group, &Format::Avro)).await.unwrap();
    let (compressed, plain) = (compressed.serialize(&alice()).unwrap(), plain.serialize(&alice()).unwrap());
    let reader = Deserializer::new(flaky.shared(), group);
    reader.deserialize::<User>(&compressed).await.unwrap();
    flaky.is_unavailable.store(true, Ordering::SeqCst);
    flaky.take_calls();
    assert_eq!(reader.deserialize::<User>(&compressed).await.unwrap(), alice());
    assert_eq!(flaky.take_calls(), 0);
    for _ in 0..2 {
        let error = reader.deserialize::<User>(&plain).await.unwrap_err().to_string();
        assert!(error.contains("unavailable"), "{error}");
    }
    assert_eq!(flaky.take_calls(), 2, "errors are not cached");
    flaky.is_unavailable.store(false, Ordering::SeqCst);
    assert_eq!(reader.deserialize::<User>(&plain).await.unwrap(), alice());
}

#[tokio::test]
async fn concurrent_callers_share_the_error_of_one_call() {
    let group = GroupId::new("s", "t");
    let flaky = FlakyRegistry::new(registry().await);
    let encodings = EncodingCache::new(flaky.shared(), group);
    flaky.is_unavailable.store(true, Ordering::SeqCst);
    let permits = flaky.permits.forget_permits(usize::MAX);
    let all = join_all((0..100).map(|_| encodings.encoding(EncodingId(7))));
    let release = async { flaky.permits.add_permits(permits) };
    let (responses, ()) = futures::future::join(all, release).await;
    for response in responses {
        assert_eq!(response.unwrap_err().kind(), RegistryErrorKind::Unavailable);
    }
    assert_eq!(flaky.take_calls(), 1);
}

#[tokio::test]
async fn a_cancelled_call_is_repeated_by_a_waiting_caller() {
    let group = GroupId::new("s", "t");
    let flaky = FlakyRegistry::new(registry().await);
    let writer = Serializer::new(flaky.shared(), schema(&Format::Avro), gzip(&group)).await.unwrap();
    let encodings = EncodingCache::new(flaky.shared(), group);
    let permits = flaky.permits.forget_permits(usize::MAX);
    let id = writer.encoding_id().unwrap();
    let (mut first, second) = (Box::pin(encodings.encoding(id)), encodings.encoding(id));
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = Box::pin(second);
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    flaky.permits.add_permits(permits);
    assert_eq!(second.await.unwrap().codec.name, Gzip::NAME);
}

#[tokio::test]
async fn serializers_of_a_cached_schema_make_no_calls() {
    let group = GroupId::new("s", "t");
    let flaky = FlakyRegistry::new(registry().await);
    let cached: Arc<dyn SchemaRegistry> = Arc::new(CachedRegistry::new(flaky.shared()));
    // concurrent serializers register once: group, codec, schema, encoding
    let writers =
        join_all((0..50).map(|_| Serializer::new(Arc::clone(&cached), schema(&Format::Avro), gzip(&group))))
            .await;
    assert_eq!(flaky.take_calls(), 4);
    let event = writers[49].as_ref().unwrap().serialize(&alice()).unwrap();
    Deserializer::new(Arc::clone(&cached), group.clone()).deserialize::<User>(&event).await.unwrap();
    assert_eq!(flaky.take_calls(), 1);

    flaky.is_unavailable.store(true, Ordering::SeqCst);
    let writer = Serializer::new(Arc::clone(&cached), schema(&Format::Avro), gzip(&group)).await.unwrap();
    assert_eq!(writer.serialize(&alice()).unwrap(), event);
    let reader = Deserializer::new(Arc::clone(&cached), group.clone());
    assert_eq!(reader.deserialize::<User>(&event).await.unwrap(), alice());
    assert_eq!(flaky.take_calls(), 0);
    // what can change is not cached, nor is a new encoding
    assert_eq!(cached.group(&group).await.unwrap_err().kind(), RegistryErrorKind::Unavailable);
    let new =
        Serializer::new(Arc::clone(&cached), schema(&Format::Avro), config(&group, &Format::Avro)).await;
    assert!(new.err().unwrap().to_string().contains("unavailable"), "its encoding is not cached");
}

#[tokio::test]
async fn one_of_several_creators_creates_a_group_and_its_deletion_invalidates_the_cache() {
    let group = GroupId::new("s", "t");
    let flaky = FlakyRegistry::new(registry().await);
    let cached: Arc<dyn SchemaRegistry> = Arc::new(CachedRegistry::new(flaky.shared()));
    let properties =
        || kulya_schema::GroupProperties::new(Format::Avro, kulya_schema::Compatibility::AllowAny, true);
    let created = join_all((0..10).map(|_| cached.create_group(&group, properties()))).await;
    assert_eq!(created.into_iter().filter(|created| *created.as_ref().unwrap()).count(), 1);
    let writer = Serializer::new(Arc::clone(&cached), schema(&Format::Avro), gzip(&group)).await.unwrap();
    let id = writer.encoding_id().unwrap();
    cached.encoding(&group, id).await.unwrap();
    cached.delete_group(&group).await.unwrap();
    assert_eq!(cached.encoding(&group, id).await.unwrap_err().kind(), RegistryErrorKind::NotFound);
    let find = SerializerConfig::new(group.clone());
    let error =
        Serializer::new(Arc::clone(&cached), schema(&Format::Avro), find).await.err().unwrap().to_string();
    assert!(error.contains("does not exist"), "{error}");
    assert!(cached.create_group(&group, properties()).await.unwrap());
}
