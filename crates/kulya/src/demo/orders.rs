//! The application's side: orders as Avro events, their schema registered, grown, and guarded.

use super::{SCOPE, count};
use crate::open::House;
use crate::say;
use crate::{progress, sql};
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

const SEGMENTS: u32 = 4;
/// Events of one commit, and so of one sync to the disk.
const BATCH: u64 = 1000;
/// Customers have ids from 1 to this; a few are gone.
const CUSTOMERS: u64 = 152;
/// 2026-01-01 00:00 UTC, when the first order came.
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

/// The same once the schema has grown.
#[derive(Serialize)]
struct GrownOrder {
    order_id: i64,
    customer_id: i32,
    product: &'static str,
    quantity: i32,
    amount_cents: i64,
    ordered_at: i64,
    channel: &'static str,
}

impl From<Order> for GrownOrder {
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

/// An order made from its number: the same in every run.
fn order(id: u64) -> Order {
    // splitmix64: numbers without a pattern, from numbers in a row
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
        customer_id: (1 + (mixed >> 16) % CUSTOMERS) as i32,
        product,
        quantity: quantity as i32,
        amount_cents: (quantity * cents) as i64,
        ordered_at: FIRST_ORDER_MS + id as i64 * 1000,
    }
}

pub(super) async fn write(house: &House, registry: &HttpRegistry, orders: u32) -> Result<()> {
    let stream = StreamId::new(SCOPE, "orders")?;
    house.store.create_scope(&Scope::new(SCOPE)?).await?;
    house.store.create_stream(&stream, StreamConfig::with_segments(SEGMENTS)).await?;
    let group = GroupId::new(SCOPE, "orders");
    say!("\n2. A schema for orders, and {orders} of them through the serializer");
    let properties = GroupProperties::new(Format::Avro, Compatibility::BackwardTransitive, false);
    let config = || SerializerConfig::new(group.clone()).create_group(properties.clone()).register_schema();
    let serializer = Serializer::new(registry, avro(&[], "int"), config()).await?;
    say!(
        "   group {group}: Avro, BackwardTransitive; shop.Order is version {}",
        serializer.version().version
    );
    let written = there(house).await?;
    if written > 0 {
        say!("   {written} orders are there from before; these come behind them");
    }
    append(house, &stream, written + 1, orders.into(), |order| serializer.serialize(&order)).await?;

    say!("\n3. The schema grows by a field with a default; what was written stays readable");
    let channel = json!({ "name": "channel", "type": "string", "default": "web" });
    let grown = Serializer::new(registry, avro(&[channel], "int"), config()).await?;
    say!("   shop.Order is version {}", grown.version().version);
    let next = written + 1 + u64::from(orders);
    append(house, &stream, next, (orders / 10).into(), |order| grown.serialize(&GrownOrder::from(order)))
        .await?;

    say!("\n4. A schema that could not read what is there is refused, before anything is written with it");
    let bad = avro(&[json!({ "name": "coupon", "type": "string" })], "string");
    match registry.add_schema(&group, bad).await {
        Err(refusal) if refusal.kind() == RegistryErrorKind::Incompatible => {
            for line in refusal.to_string().lines() {
                say!("   {line}");
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(version) => bail!("the registry took an incompatible schema as version {}", version.version),
    }
}

/// How many orders the stream holds.
async fn there(house: &House) -> Result<u64> {
    let mut session = sql::session(house, None).await?;
    count(&mut session, &format!("SELECT count(*) FROM {SCOPE}.orders")).await
}

async fn append(
    house: &House,
    stream: &StreamId,
    first: u64,
    orders: u64,
    event: impl Fn(Order) -> CodecResult<Bytes>,
) -> Result<()> {
    let began = Instant::now();
    let bar = progress::bar(orders, "orders");
    let ids: Vec<u64> = (first..first + orders).collect();
    for ids in ids.chunks(BATCH as usize) {
        let append = |id: &u64| {
            let order = order(*id);
            let customer = order.customer_id.to_string();
            Ok(Append::keyed(stream, customer, event(order)?))
        };
        let events = ids.iter().map(append).collect::<Result<_>>()?;
        house.store.commit(Commit::events(events)).await?;
        bar.inc(ids.len() as u64);
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    let rate = orders as f64 / seconds.max(1e-9);
    say!("   {orders} orders in {seconds:.2} s ({rate:.0}/s), each batch of {BATCH} durable before the next");
    Ok(())
}
