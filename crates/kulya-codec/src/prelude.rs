//! The names that most programs with serializers use, for `use kulya_codec::prelude::*`: this crate's, and
//! those of the registry's contract and of schemas.

pub use crate::codec::{Codecs, Gzip, Snappy};
pub use crate::{
    CachedRegistry, CodecError, CodecResult, Deserializer, Serializer, SerializerConfig, schema_of,
};
pub use kulya_registry_api::prelude::*;
