//! The application of the demo: writes orders as Avro events, evolves their schema and has an incompatible
//! one rejected.

use crate::output::print_line;
use crate::progress;
use crate::services::Services;
use anyhow::{Result, bail};
use bytes::Bytes;
use kulya_client::HttpRegistry;
use kulya_codec::{CodecResult, Serializer, SerializerConfig};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::{Append, Commit, Scope, StreamConfig, StreamId};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;

/// The scope of the demo's streams, which is the database in SQL.
pub(super) const SCOPE: &str = "shop";

const SEGMENTS: u32 = 4;
/// Events of one commit, and so of one fsync.
const BATCH_EVENTS: u64 = 1000;
/// Largest customer id; a few customers are deleted.
const MAX_CUSTOMER_ID: u64 = 152;
/// Time of the first order: 2026-01-01 00:00 UTC.
const FIRST_ORDER_MS: i64 = 1_767_225_600_000;

#[derive(Serialize)]
struct Order {
    order_id: i64,
    customer_id: i32,
    product: &'static str,
    quantity: i32,
    amount_cents: i64,
    ordered_at: i64,
}

/// An order of the second schema version.
#[derive(Serialize)]
struct OrderV2 {
    order_id: i64,
    customer_id: i32,
    product: &'static str,
    quantity: i32,
    amount_cents: i64,
    ordered_at: i64,
    channel: &'static str,
}

impl From<Order> for OrderV2 {
    fn from(order: Order) -> Self {
        let Order { order_id, customer_id, product, quantity, amount_cents, ordered_at } = order;
        let channel = if order_id % 16 == 0 { "phone" } else { "app" };
        Self { order_id, customer_id, product, quantity, amount_cents, ordered_at, channel }
    }
}

fn avro(extra: &[Value], customer_id: &str) -> SchemaInfo {
    let mut fields = vec![
        json!({ "name": "order_id", "type": "long" }),
        json!({ "name": "customer_id", "type": customer_id }),
        json!({ "name": "product", "type": "string" }),
        json!({ "name": "quantity", "type": "int" }),
        json!({ "name": "amount_cents", "type": "long" }),
        json!({ "name": "ordered_at", "type": { "type": "long", "logicalType": "timestamp-millis" } }),
    ];
    fields.extend_from_slice(extra);
    let schema = json!({ "type": "record", "name": "Order", "namespace": "shop", "fields": fields });
    SchemaInfo::new("shop.Order", Format::Avro, schema.to_string())
}

/// Generates an order from its id: the same in every run.
fn order(id: u64) -> Order {
    // splitmix64: pseudorandom numbers from consecutive ones
    let mut mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let (product, cents) = match mixed % 5 {
        0 => ("tea", 450),
        1 => ("coffee", 790),
        2 => ("cardamom", 1_250),
        3 => ("saffron", 8_900),
        _ => ("rice", 310),
    };
    let quantity = 1 + (mixed >> 8) % 5;
    Order {
        order_id: id as i64,
        customer_id: (1 + (mixed >> 16) % MAX_CUSTOMER_ID) as i32,
        product,
        quantity: quantity as i32,
        amount_cents: (quantity * cents) as i64,
        ordered_at: FIRST_ORDER_MS + id as i64 * 1000,
    }
}

/// Writes `orders` orders behind the `existing` ones, a tenth as many with an evolved schema, and registers
/// an incompatible one.
pub(super) async fn write(
    services: &Services,
    registry: &HttpRegistry,
    existing: impl AsyncFnOnce() -> Result<u64>,
    orders: u32,
) -> Result<()> {
    let stream = StreamId::new(SCOPE, "orders")?;
    services.store.create_scope(&Scope::new(SCOPE)?).await?;
    services.store.create_stream(&stream, StreamConfig::with_segments(SEGMENTS)).await?;
    let group = GroupId::new(SCOPE, "orders");
    print_line!("\n2. A schema for orders, and {orders} of them through the serializer");
    let properties = GroupProperties::new(Format::Avro, Compatibility::BackwardTransitive, false);
    let config = || SerializerConfig::new(group.clone()).create_group(properties.clone()).register_schema();
    let serializer = Serializer::new(registry.clone(), avro(&[], "int"), config()).await?;
    print_line!(
        "   group {group}: Avro, BackwardTransitive; shop.Order is version {}",
        serializer.version().version
    );
    let written = existing().await?;
    if written > 0 {
        print_line!("   {written} orders exist from an earlier run; these are appended");
    }
    append(services, &stream, written + 1, orders.into(), |order| serializer.serialize(&order)).await?;

    print_line!("\n3. A compatible schema change: a new field with a default; existing events stay readable");
    let channel = json!({ "name": "channel", "type": "string", "default": "web" });
    let evolved = Serializer::new(registry.clone(), avro(&[channel], "int"), config()).await?;
    print_line!("   shop.Order is version {}", evolved.version().version);
    let next = written + 1 + u64::from(orders);
    append(services, &stream, next, (orders / 10).into(), |order| evolved.serialize(&OrderV2::from(order)))
        .await?;

    print_line!("\n4. An incompatible schema is rejected before any event is written with it");
    let incompatible = avro(&[json!({ "name": "coupon", "type": "string" })], "string");
    match registry.add_schema(&group, incompatible).await {
        Err(error) if error.kind() == RegistryErrorKind::Incompatible => {
            for line in error.to_string().lines() {
                print_line!("   {line}");
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(version) => bail!("the registry accepted an incompatible schema as version {}", version.version),
    }
}

async fn append(
    services: &Services,
    stream: &StreamId,
    first: u64,
    orders: u64,
    serialize: impl Fn(Order) -> CodecResult<Bytes>,
) -> Result<()> {
    let started = Instant::now();
    let bar = progress::bar(orders, "orders");
    let ids: Vec<u64> = (first..first + orders).collect();
    for ids in ids.chunks(BATCH_EVENTS as usize) {
        let append = |id: &u64| {
            let order = order(*id);
            let customer = order.customer_id.to_string();
            Ok(Append::keyed(stream, customer, serialize(order)?))
        };
        let events = ids.iter().map(append).collect::<Result<_>>()?;
        services.store.commit(Commit::events(events)).await?;
        bar.inc(ids.len() as u64);
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let rate = orders as f64 / seconds.max(1e-9);
    print_line!(
        "   {orders} orders in {seconds:.2} s ({rate:.0}/s), each batch of {BATCH_EVENTS} durable before the next"
    );
    Ok(())
}
